"""What Jinja2, set up as transformers sets it up for chat templates, makes of small constructs.

Writes jinja.json beside this script: a list of {"source", "text"} or {"source", "refused"}, where
the latter is the name of Python's exception. The variables are VARIABLES; the clock is at
26 July 2024. Constructs whose text would show an address in memory are left out.
"""

import datetime
import itertools
import json
import pathlib

import transformers.utils.chat_template_utils as chat_template_utils


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be <brief> & \"kind\"."},
        {"role": "user", "content": "  What is 日本? \n"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"type": "function", "function": {"name": "f", "arguments": {"x": 1, "y": [1.5, None, True]}}}
            ],
        },
        {"role": "tool", "content": "it's \\ 1\t2"},
        {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nJapan."},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "Finds.",
                "parameters": {
                    "type": "object",
                    "properties": {"x": {"type": "integer"}, "items": {"type": "array", "items": {"type": "string"}}},
                    "required": ["x"],
                },
            },
        }
    ],
    "documents": None,
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
}

OPERATORS = [
    f"{{{{ {a} {operator} {b} }}}}"
    for a, b in [
        ("7", "0"), ("-7", "2"), ("7", "-2"), ("7.5", "2"), ("-7.5", "2"), ("true", "2"), ("'ab'", "2"), ("'a'", "'b'"),
        ("[1]", "[1, 2]"), ("(1,)", "(1,)"), ("none", "1"), ("nope", "'a'"), ("'a'", "nope"), ("{'a': 1}", "{'a': 1.0}"),
        ("''", "'d'"), ("'%s-%s'", "('a', 1)"), ("1", "'1'"), ("'a'", "'banana'"), ("1", "[1.0]"), ("[]", "none"),
    ]
    for operator in ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", "in", "not in", "and", "or"]
] + [
    "{{ 2 ** 10 }}|{{ 2 ** -1 }}|{{ -2 ** 2 }}|{{ 2 ** 3 ** 2 }}|{{ 0.5 ** 2 }}",
    "{{ 1 < 2 < 3 }}|{{ 3 > 2 > 2 }}|{{ 1 == 1.0 == true }}|{{ not 1 == 2 }}|{{ not (1 == 1) }}",
    "{{ -1 | abs }}|{{ +1 }}|{{ - - 1 }}|{{ not not 1 }}|{{ not none }}|{{ -(1 + 2) * 3 }}",
    "{{ 1 if nope else 2 }}|{{ 1 if nope }}|{{ 'a' if false else 'b' if false else 'c' }}|{{ (1 if true) + 1 }}",
    "{{ 'a' 'b' ~ 'c' + 'd' }}|{{ 1 ~ 2 + 3 }}|{{ 'n' ~ none ~ 1.0 ~ [1] }}|{{ [1] + [2] ~ 'x' }}",
    "{{ 1e3 }}|{{ 1_000 }}|{{ 0x1f }}|{{ 0b11 }}|{{ 0o17 }}|{{ 1.5e-7 }}|{{ 1e16 }}|{{ 1e15 }}|{{ 0.1 + 0.2 }}|{{ 1e-4 }}",
    "{{ 10 / 4 }}|{{ 10 // 4 }}|{{ 10 % 4 }}|{{ 10 / 5 }}|{{ 7 // 2.0 }}|{{ -7 // 2 }}|{{ -7 % 3 }}|{{ 7 % -3 }}|{{ 5.5 % 2 }}",
    "{{ none and 1 }}|{{ 0 or none }}|{{ [] or {} }}|{{ 'a' and 'b' and 0 }}|{{ nope or 'x' }}|{{ (nope and 1) is defined }}",
]
PRINTED = [
    "{{ [1, 'a', none, true, 2.0, 'it\\'s', \"q\\\"\", 'b\\\\'] }}",
    "{{ {'a': {'b': [1, (2,)]}, 1: none, none: 1.50, (1, 2): ()} }}",
    "{{ messages[0] }}", "{{ messages }}", "{{ tools }}", "{{ messages[0].items() }}", "{{ messages[0].keys() }}",
    "{{ messages[0].values() | list }}", "{{ messages[2].tool_calls[0] }}", "{{ range(3) }}|{{ range(1, 7, 2) }}",
    "{{ '\\n\\t\\r\\x00\\x7f\\u00a0é日\\u200b' }}|{{ ['\\n\\t\\r\\x00\\x7f\\u00a0é日\\u200b😀'] }}",
    "{{ namespace(a=1, b='x') }}", "{{ (1, 2) }}|{{ 1, 2 }}|{{ () }}|{{ (1,) }}", "{{ [nope] }}", "{{ {'a': nope} }}",
    "{{ 'é'.encode() }}", "{{ ['a' | e] }}", "{% macro m() %}{% endmacro %}{{ m }}", "{{ true }}{{ false }}{{ none }}",
    "{{ ['a', ['b', {'c': 'd'}]] | string }}|{{ [1, [2]] | join(',') }}|{{ {'a': [1]} ~ '' }}",
]
SLICES = [
    f"{{{{ {value}{slice_} }}}}"
    for value in ["'日本語abc'", "[1, 2, 3, 4, 5]", "(1, 2, 3)", "messages | map(attribute='role') | list", "range(10)[2:8]"]
    for slice_ in ["[1:]", "[:-1]", "[::-1]", "[-2:]", "[4:1:-1]", "[::2]", "[10:]", "[-10:2]", "[2:2]", "[::-2]", "[-1:0:-1]"]
    if "|" not in value
] + [
    "{{ (messages[1:][::-1])[0].role }}|{{ messages[::-1] | map(attribute='role') | join(',') }}",
    "{{ 'abc'[1] }}|{{ 'abc'[-1] }}|{{ 'abc'[7] }}|{{ 'abc'[7] is defined }}|{{ [1][1:][0] }}|{{ {'a': 1}['b'] }}",
    "{{ messages.0.role }}|{{ messages[0]['role'] }}|{{ messages[-1].content[:7] }}|{{ messages[9] is undefined }}",
    "{{ [1, 2][::0] }}", "{{ messages[0][1:] }}", "{{ nope[1:] }}", "{{ 'a'['b':] }}", "{{ 5[0] is defined }}",
]
STRINGS = [
    f"{{{{ {text}.{call} }}}}"
    for text, calls in [
        ("'a-b-c'", ["split('-')", "split('-', 1)", "rsplit('-', 1)", "split(sep='-', maxsplit=1)", "rsplit('-', maxsplit=1)",
                     "partition('-')", "rpartition('-')", "partition('x')", "rpartition('x')", "split('')", "find('c')",
                     "rfind('-')", "index('b')", "rindex('-')", "index('x')", "count('-')", "count('')", "replace('-', '+', 1)",
                     "replace('', '.')", "removeprefix('a-')", "removesuffix('-c')", "startswith(('x', 'a'))",
                     "endswith('c', 3)", "startswith('b', 2)", "join(['1', '2'])", "join([1])", "split('-') | length"]),
        ("' \\t日本 x\\n'", ["strip()", "lstrip()", "rstrip()", "strip(' \\n')", "split()", "rsplit(none, 1)", "find('x')",
                            "rfind('本')", "splitlines()", "isspace()", "upper()", "encode()", "isascii()"]),
        ("'heLLo wORLD it\\'s'", ["title()", "capitalize()", "swapcase()", "casefold()", "lower()", "upper()", "istitle()"]),
        ("'7'", ["zfill(3)", "rjust(3, '.')", "ljust(3, '.')", "center(4, '*')", "isdigit()", "isdecimal()", "isnumeric()",
                 "isalnum()", "isalpha()", "rjust(2, 'ab')", "zfill()", "isidentifier()"]),
        ("'-7'", ["zfill(5)"]), ("''", ["isdigit()", "isalpha()", "islower()", "isascii()", "split()", "split(',')", "splitlines()"]),
        ("'A1'", ["isupper()", "islower()", "istitle()", "isalnum()"]), ("'a\\tb\\n\\tc'", ["expandtabs()", "expandtabs(4)"]),
        ("'ab'", ["translate({97: 'x', 98: none})", "maketrans('a', 'b')", "nothing()", "format(1)", "__len__()", "upper(1)"]),
        ("'{} {1}'", ["format(1, 2)"]),
        ("'{} {name!r:>5} {{}}'", ["format('a', name='b')"]),
        ("'{0:,}|{0:08.2f}|{0:+d}|{0:x}|{0:e}|{0:%}'", ["format(1234567)"]),
        ("'{0[a]}{1.role}{2:^7}'", ["format({'a': 1}, messages[0], 'mid')"]),
        ("'x\\ry\\r\\nz\\x0bw\\u2028v'", ["splitlines()", "splitlines(true)"]), ("'straße ΑΣ'", ["upper()", "lower()", "title()", "casefold()"]),
    ]
    for call in calls
] + [
    "{{ '%s is %d, %5.2f%% %r %x %-4s| %+d %05d %e %g' % ('a', 3.7, 2.345, 'q', 255, 'l', 5, 42, 12345.678, 0.0001) }}",
    "{{ '%(a)s-%(b)03d' % {'a': 1, 'b': 2} }}|{{ '%s' % [1] }}|{{ '%s' % 'x' }}|{{ '%%' % () }}",
    "{{ '%d' % 'x' }}", "{{ '%s %s' % 'x' }}", "{{ 'x' % 1 }}", "{{ '%q' % 1 }}",
]
ATTRIBUTES = [
    "{% set d = {'items': 5, 'keys': 6, 'x': 7} %}{{ d.items is callable }}|{{ d['items'] }}|{{ d.x }}|{{ d['x'] }}|{{ d.get('items') }}",
    "{{ tools[0].function.parameters.properties.items is callable }}|{{ tools[0]['function']['parameters']['properties']['items'] }}",
    "{{ messages[0].get('role') }}|{{ messages[0].get('x') }}|{{ messages[0].get('x', 'd') }}|{{ messages[0].x is defined }}",
    "{{ [1, 2].index(2) }}|{{ [1, 2, 1].count(1) }}|{{ (1, 2).index(1) }}|{{ [1].copy() }}|{{ {'a': 1}.copy() }}",
    "{{ [1].append(2) }}", "{{ {}.update({'a': 1}) }}", "{{ messages.pop() }}", "{{ [1].append is defined }}",
    "{{ ''.__class__ }}|{{ ''.__class__ is defined }}", "{{ ''.__class__.__mro__ }}", "{{ messages.__len__() }}",
    "{{ nope.x }}", "{{ messages[0].x.y }}", "{{ nope() }}", "{{ messages() }}", "{{ none.x is defined }}|{{ none.x }}",
    "{{ messages | attr('x') is defined }}|{{ 'a' | attr('upper') is defined }}|{{ {'a': 1} | attr('a') is defined }}",
    "{{ (1).real }}|{{ 1.5.is_integer() }}|{{ (5).bit_length() }}|{{ true.real }}", "{{ {'a': 1}.a }}|{{ {1: 'x'}[1.0] }}",
]
FILTERS = [
    "{{ [3, 1, 2] | sort }}|{{ ['b', 'A', 'c'] | sort }}|{{ ['b', 'A'] | sort(case_sensitive=true) }}|{{ [1, 2] | sort(reverse=true) }}",
    "{{ messages | sort(attribute='role') | map(attribute='role') | join(' ') }}", "{{ [1, 'a'] | sort }}",
    "{{ messages | groupby('role') | map('first') | list }}", "{% for role, them in messages | groupby('role') %}{{ role }}{{ them | length }} {% endfor %}",
    "{{ (messages | groupby('role'))[0].grouper }}|{{ (messages | groupby('role'))[0].list | length }}",
    "{{ messages | map(attribute='x', default='-') | join }}|{{ messages | map('length') | list }}|{{ ['a'] | map('upper') | list }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}|{{ messages | rejectattr('role', 'in', ['user', 'tool']) | map(attribute='role') | list }}",
    "{{ messages | selectattr('tool_calls') | list | length }}|{{ messages | selectattr('tool_calls', 'defined') | first | attr('x') is defined }}",
    "{{ messages | selectattr('role') | length }}", "{{ [1, 2, 3] | map('nope') | list }}", "{{ [1, 2, 3, 4] | select('odd') | list }}|{{ [0, 1] | reject | list }}",
    "{{ [1, 2, 2, 'a', 'A'] | unique | list }}|{{ ['a', 'A'] | unique(true) | list }}", "{{ [1, 2, 3] | sum }}|{{ [{'a': 1}, {'a': 2}] | sum('a') }}|{{ [] | sum(start=5) }}|{{ ['a'] | sum }}",
    "{{ [1, 5, 3] | max }}|{{ ['b', 'A'] | min }}|{{ [] | max }}|{{ messages | max(attribute='content') | length }}",
    "{{ [1, 2, 3, 4, 5] | batch(2) | list }}|{{ [1, 2, 3] | batch(2, 'x') | list }}|{{ [1, 2, 3, 4, 5] | slice(2) | list }}|{{ [1, 2, 3] | slice(2, 'x') | list }}",
    "{{ {'b': 1, 'A': 2} | dictsort }}|{{ {'b': 1, 'a': 2} | dictsort(by='value') }}|{{ {'a': 1} | dictsort(reverse=true) }}|{{ {'a': 1} | items | list }}",
    "{{ [1, 2] | first }}|{{ [1, 2] | last }}|{{ [] | first }}|{{ 'abc' | last }}|{{ nope | first }}|{{ {'a': 1} | first }}",
    "{{ [1, 2] | reverse | list }}|{{ 'abc' | reverse }}|{{ 5 | reverse }}", "{{ 'abc' | list }}|{{ nope | list }}|{{ {'a': 1} | list }}|{{ 5 | list }}",
    "{{ nope | length }}|{{ 'é日' | length }}|{{ {} | length }}|{{ messages | count }}", "{{ none | length }}", "{{ 5 | length }}",
    "{{ 2.5 | round }}|{{ 3.5 | round }}|{{ 2.675 | round(2) }}|{{ 42 | round }}|{{ 42.55 | round(1, 'floor') }}|{{ 1.2 | round(method='ceil') }}|{{ 1234 | round(-2) }}|{{ 2.5 | round | int }}",
    "{{ '42' | int }}|{{ '4.7' | int }}|{{ 'x' | int }}|{{ 'x' | int(7) }}|{{ 'ff' | int(base=16) }}|{{ '0x1f' | int(0, 16) }}|{{ none | int }}|{{ 3.9 | int }}|{{ ' 5 ' | int }}|{{ true | int }}",
    "{{ '1.5' | float }}|{{ 'x' | float }}|{{ 'x' | float(2.5) }}|{{ 'inf' | float }}|{{ '1e3' | float }}|{{ 3 | float }}", "{{ nope | int }}", "{{ nope | float }}",
    "{{ nope | default('d') }}|{{ '' | default('d') }}|{{ '' | default('d', true) }}|{{ none | d('x') }}|{{ messages[0].x | default }}|{{ 0 | default(1, boolean=true) }}",
    "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(2, blank=true) }}|{{ 'a\\nb' | indent('> ') }}|{{ 'a\\n' | indent(2) }}|{{ '' | indent(2, true) }}",
    "{{ '  x ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 5 | trim }}|{{ nope | trim }}|{{ messages[1].content | trim }}.",
    "{{ 'a b' | replace('a', 'x') }}|{{ 'aaa' | replace('a', 'b', 2) }}|{{ 5 | replace(5, 6) }}|{{ 'ab' | replace('', '-') }}",
    "{{ 'hello wORLD it\\'s a-b (c' | title }}|{{ 'hello wORLD' | capitalize }}|{{ 'A' | lower }}|{{ 'straße' | upper }}|{{ none | upper }}|{{ 5 | lower }}",
    "{{ ['a', 1, none] | join('-') }}|{{ messages | join(', ', attribute='role') }}|{{ 'abc' | join('.') }}|{{ [] | join }}|{{ nope | join }}|{{ {'a': 1} | join }}",
    "{{ 'foo bar baz qux' | truncate(9) }}|{{ 'foo bar baz qux' | truncate(9, true) }}|{{ 'foo bar baz qux' | truncate(11, false, '', 0) }}|{{ 'short' | truncate }}",
    "{{ 'the quick brown-fox jumps' | wordwrap(10) }}|{{ 'aaaaaaaaaaaa bb' | wordwrap(5) }}|{{ 'aaaaaaa b' | wordwrap(3, false) }}|{{ 'a b c' | wordwrap(3, wrapstring='/') }}",
    "{{ 'a b.c_d é' | wordcount }}|{{ '<p>a &amp; b</p>  c' | striptags }}|{{ 'a b/c?d=é' | urlencode }}|{{ {'a': 1, 'b': 'c d'} | urlencode }}|{{ 'ab' | center(6) }}.",
    "{{ \"<a href='x'>&\" | e }}|{{ '<b>' | safe }}|{{ ('<b>' | e) + '<i>' }}|{{ '<b>' | e | e }}|{{ '<b>' | e | forceescape }}|{{ ('<' | e) ~ '<' }}",
    "{{ 1000 | filesizeformat }}|{{ 1 | filesizeformat }}|{{ 123456789 | filesizeformat(true) }}|{{ {'a': 1, 'b': none, 'c': '<'} | xmlattr }}",
    "{{ '%s-%s' | format('a', 1) }}|{{ '%(x)s' | format(x=5) }}|{{ -5 | abs }}|{{ -5.5 | abs }}|{{ 'x' | string }}|{{ none | string }}|{{ {'b': 1, 'a': [2]} | pprint }}",
    "{{ 'a' | nope }}", "{% if false %}{{ 'a' | nope }}{% endif %}ok", "{{ 'a' | nope if false else 'b' }}", "{{ 1 is nope }}",
]
JSON = [
    f"{{{{ {value} | tojson{options} }}}}"
    for value in ["messages[2]", "{'b': [1, {'a': 'é<\\n\\x01\\u2028😀'}], 'a': none, '': []}", "[]", "{}", "[1.0, 1e20, true, 'x']"]
    for options in ["", "(indent=2)", "(indent=0)", "(2)", "(ensure_ascii=true)", "(sort_keys=true)", "(separators=(',', ':'))", "(indent=1, separators=(';', '='))", "(indent='\\t')"]
] + ["{{ nope | tojson }}", "{{ range(2) | tojson }}", "{{ (1, 2) | tojson }}|{{ {1: 2, none: 3, true: 4} | tojson }}", "{{ [namespace()] | tojson }}", "{{ {'a': 1} | tojson(x=1) }}", "{{ messages | map(attribute='role') | tojson }}", "{{ {(1, 2): 3} | tojson }}", "{{ '\"\\\\/' | tojson }}|{{ 5 | tojson }}|{{ 1.5 | tojson | length }}"]
TESTS = [
    "|".join(f"{{{{ {value} is {test} }}}}" for test in [
        "defined", "none", "true", "false", "boolean", "integer", "float", "number", "string", "mapping", "sequence",
        "iterable", "callable", "lower", "upper", "escaped"])
    for value in ["none", "true", "1", "1.0", "'a'", "'A1'", "''", "[]", "()", "{}", "nope", "range(2)", "messages[0].items()", "messages[0].get", "('a' | e)", "namespace()", "raise_exception", "([1] | map('abs'))"]
] + [
    "{{ 4 is divisibleby 2 }}|{{ 3 is odd }}|{{ 3 is even }}|{{ 3 is eq 3 }}|{{ 'a' is in 'abc' }}|{{ 2 is gt 1 }}|{{ 2 is le(1) }}|{{ none is sameas none }}|{{ 'upper' is filter }}|{{ 'odd' is test }}|{{ 'x' is filter }}",
    "{{ 'a' is odd }}", "{{ 1 is not none and 2 is number }}|{{ not 1 is none }}|{{ 1 is none or 2 is not string }}", "{{ 1 is defined is defined }}",
    "{{ lipsum is defined }}|{{ cycler is callable }}|{{ dict is callable }}|{{ foo is defined }}|{{ loop is defined }}|{{ self is defined }}",
]
WHITE_SPACE = [
    f"a {a}b\n  {b} c \n"
    for a, b in itertools.product(
        ["{% if true %}", "{%- if true %}", "{% if true -%}", "{%+ if true %}", "{% if true +%}", "\n  {% if true %}\n", "\n\t{%- if true -%}\n\n"],
        ["{% endif %}", "{%- endif %}", "{% endif -%}\n", "{%+ endif %}\n", "{% endif +%}\n", "{% endif %}\n\n"],
    )
] + [
    "  {# c #}\n  x {# d #}\ny{#- e -#} z {#+ f +#}\n.", "\n\n{{ 'a' }}\n\n{{- 'b' -}}\n {{ 'c' }}\n", "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\rd", "{{ 'a\r\nb' }}|x\r\n",
    "  {% raw %}\n {{ x }} {% y %}\n {% endraw %}\nz", "a {%- raw -%} b {%- endraw -%} c", "{% raw %}{% endraw %}|{% raw %}\n{% endraw %}|{%raw%}{#{%endraw%}", "x\n\n", "x\n", "\n", "  {% set a = 1 %}  \n  {{ a }}", "{{ '}}' }}{{ '%}' }}{{ {'a': {'b': 1}}['a']['b'] }}",
    "{{- 1 -}}  {%- set x = 2 -%}  {{- x }}\n  {%- for i in [1, 2] %}\n    {{ i }}\n  {%- endfor %}\nend", "{% for i in [1, 2] -%}\n  {{ i }}\n{%- endfor %}", "a{% for i in [1,2] %}\n\n  {{ i }}  \n{% endfor %}b", "{%if true%}a{%endif%}{%  if  true  %}b{%  endif  %}",
]
SCOPES = [
    "{% for i in [1, 2, 3] %}{% if loop.first %}{% set x = i %}{% endif %}[{{ x }}]{% endfor %}{{ x }}", "{% set x = 0 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(x=0) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}|{{ ns.y is defined }}|{{ ns['x'] }}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set d = {} %}{% set d.x = 1 %}", "{% set nope.x = 1 %}",
    "{% if true %}{% set q = 5 %}{% endif %}{{ q }}", "{% with a = 1, b = 2 %}{{ a + b }}{% set c = 3 %}{% endwith %}{{ a is defined }}{{ c is defined }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% set x %}a{% set y = 1 %}{{ y }}{% endset %}{{ x }}|{{ y is defined }}|{{ x | length }}", "{% set x | upper | trim %} a {% endset %}[{{ x }}]", "{% filter upper %}a{{ 'b' }}{% set z = 1 %}{% endfilter %}{{ z is defined }}",
    "{% generation %}a{% set g = 1 %}{{ g }}{% endgeneration %}{{ g is defined }}", "{% set g = 1 %}{% generation %}{{ g }}{% set g = 2 %}{{ g }}{% endgeneration %}{{ g }}", "{% for m in messages %}{% generation %}{{ m.role }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}|{% set (c, d) = [3, 4] %}{{ c }}{{ d }}|{% set a, b = b, a %}{{ a }}{{ b }}", "{% set a, b = [1] %}", "{% set a, b = [1, 2, 3] %}", "{% set a, b = 5 %}", "{% set true = 1 %}", "{% set messages = messages[1:] %}{{ messages | length }}",
    "{% set ns = namespace(a=1) %}{% set ns.b, c = 2, 3 %}{{ ns.b }}{{ c }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}", "{% macro m() %}{{ later }}{% endmacro %}{% set later = 3 %}{{ m() }}",
    "{% set tools = none %}{% macro m() %}{{ tools is none }}{% endmacro %}{{ m() }}", "{% for i in [1] %}{% set tools = 5 %}{% endfor %}{{ tools == 5 }}", "{% block b %}{{ bos_token }}{% set y = 1 %}{% endblock %}{{ y is defined }}|{{ self.b() }}", "{% block b %}{% endblock %}{% block b %}{% endblock %}",
    "{% for i in [1] %}{% block c scoped %}{{ i }}{% endblock %}{% block d %}{{ i }}{% endblock %}{% endfor %}", "{% autoescape true %}{{ '<' }}{{ '<' | safe }}{{ bos_token ~ ('&' | e) }}{% endautoescape %}{{ '<' }}",
]
LOOPS = [
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }};{% endfor %}",
    "{% for m in messages %}{{ loop.previtem.role if loop.previtem else '-' }}<{{ m.role }}>{{ loop.nextitem.role if not loop.last else '-' }} {% endfor %}", "{% for m in messages if m.role != 'tool' %}{{ loop.index }}{{ m.role }}{{ loop.length }}{{ loop.last }} {% endfor %}",
    "{% for x in [] %}{{ x }}{% else %}none{% endfor %}|{% for x in nope %}{% else %}none{% endfor %}", "{% for i in range(6) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in [1] %}{% continue %}{% else %}else{% endfor %}", "{% for i in [1] %}{% break %}{% else %}else{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{{ loop.depth }}{{ x if x is number else loop(x) }},{% endfor %}", "{% for x in [1] %}{{ loop([2]) }}{% endfor %}", "{% for a, b in {'x': 1, 'y': 2}.items() %}{{ a }}{{ b }}{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [1] %}{% endfor %}",
    "{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in [1, 2] %}{% for j in [3, 4] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "{% for i in 5 %}{% endfor %}", "{% for i in none %}{% endfor %}", "{% for c in 'é日' %}{{ c }}.{% endfor %}", "{% for k in messages[0] %}{{ k }}{% endfor %}",
    "{% set ns = namespace(stop=false) %}{% for i in [1, 2, 3] if not ns.stop %}{{ i }}{% if i == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}", "{% for i in [1, 2, 3] | reverse %}{{ i }}{{ loop.last }}{% endfor %}", "{% break %}", "{% for i in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% for loop in [1] %}{% endfor %}", "{{ loop.index }}", "{% for i in [1] %}{% else %}{{ loop.index }}{% endfor %}",
    "{% for i in range(3) %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for x in [3, 1] | sort %}{{ x }}{% endfor %}", "{{ range(100001) | length }}", "{{ range(5, 0, -2) | list }}|{{ range(2) | list }}|{{ range(3)[1] }}", "{{ range(1.5) }}", "{% for i in (1, 2) %}{{ i }}{% endfor %}", "{% for x in [1] if x > 0 else 2 %}{% endfor %}",
]
MACROS = [
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(c=5, a=4) }}|{{ m() }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro w() %}[{{ caller() }}]{% endmacro %}{% call w() %}in{{ bos_token }}{% endcall %}", "{% macro w(x) %}{{ caller(x, 2) }}{% endmacro %}{% call(a, b) w(1) %}{{ a }}{{ b }}{% endcall %}", "{% macro w() %}{% endmacro %}{% call w() %}{% endcall %}", "{% macro w() %}{{ caller is defined }}{% endmacro %}{{ w() }}", "{% macro w(caller=none) %}{{ caller }}{% endmacro %}{{ w() }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro m() %}x{% endmacro %}{{ m() | upper }}{{ m() ~ m() }}{{ m.name }}{{ m.arguments }}", "{% macro m(a, b) %}{{ a is defined }}{{ b is defined }}{% endmacro %}{{ m(1) }}", "{{ m() }}{% macro m() %}x{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(x) %}{{ x.y }}{% endmacro %}{{ m() }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}", "{% set j = joiner('|') %}{{ j() }}{{ j() }}{{ j() }}", "{{ dict(a=1, b=2) }}|{{ dict([('a', 1)]) }}|{{ dict({'a': 1}, b=2) }}|{{ dict.fromkeys('ab', 0) }}", "{{ namespace({'q': 3}).q }}|{{ namespace(a=1) == namespace(a=1) }}", "{{ namespace(_a=1) }}",
    "{{ m(*[1, 2]) if m is defined else 'no' }}", "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 1, 'b': 2}) }}{{ m(1, *[2]) }}", "{{ raise_exception('no') }}", "{{ strftime_now('%Y-%m-%d %H:%M:%S %p %j %a %A %b %B %y %e %I %F %T %-d %-m %% %U %w') }}", "{{ foo(1)(2) }}", "{% call messages() %}{% endcall %}",
]
SYNTAX = [
    "{% if %}", "{% if true %}", "{% endif %}", "{{ }}", "{{ 1", "{% nope %}", "{# x", "{{ 'a }}", "{% for x in %}{% endfor %}", "{% for in [1] %}{% endfor %}", "{{ 1 2 }}", "{{ a..b }}", "{{ [1, 2 }}", "{{ (1, 2] }}", "{% set x %}", "{% do x %}", "{% trans %}{% endtrans %}", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{{ super() }}", "{% raw %}", "{% if a b %}{% endif %}", "{% elif x %}", "{{ f(a=1, 2) }}", "{{ f(**a, *b) }}", "{{ x is }}", "{{ not }}", "{{ a if }}", "{{ {1} }}", "{{ a ? b : c }}", "{{ a && b }}", "{{ !a }}", "{{ 1.foo }}|", "{% macro 1() %}{% endmacro %}", "{% call x %}{% endcall %}", "{% else %}", "{{ 'a' | }}", "{{ [,] }}", "{{ [1,] }}|{{ {'a': 1,} }}|{{ (1,) }}|{{ dict(a=1,) }}", "{% if true: %}a{% endif %}", "{% print 1, 2 %}", "{% set x = 1 if true else 2 %}{{ x }}", "{% if (1 if true else 0) %}a{% endif %}", "{% if true if true else false %}a{% endif %}", "{{ true and false or true }}|{{ True }}|{{ None }}|{{ False }}|{{ TRUE is defined }}", "{{ 'a' in 'abc' and not 'z' in 'abc' }}", "{{ \"\\u00e9\\x41\\101\\q\\N\" }}", "{{ '\\é' }}", "{% block a-b %}{% endblock %}", "{% endfor %}{{ 1 }}", "{{ a.b.c.d is defined }}", "{% if true %}{% for x in [1] %}{% endif %}{% endfor %}",
]
KINDS = {
    "operators": OPERATORS, "printed": PRINTED, "slices": SLICES, "strings": STRINGS, "attributes": ATTRIBUTES, "filters": FILTERS,
    "json": JSON, "tests": TESTS, "white space": WHITE_SPACE, "scopes": SCOPES, "loops": LOOPS, "macros": MACROS, "syntax": SYNTAX,
}


def rendered(source):
    try:
        text = chat_template_utils._compile_jinja_template(source).render(**json.loads(json.dumps(VARIABLES)))
    except Exception as error:
        return {"source": source, "refused": type(error).__name__}
    return {"source": source, "text": text}


def main():
    chat_template_utils.datetime = Day
    kinds = {kind: [rendered(source) for source in sources] for kind, sources in KINDS.items()}
    kinds = {kind: [row for row in rows if " at 0x" not in row.get("text", "")] for kind, rows in kinds.items()}
    golden = {"variables": VARIABLES, "kinds": kinds}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print({kind: len(rows) for kind, rows in kinds.items()}, sum(map(len, kinds.values())))


if __name__ == "__main__":
    main()
