//! User text into a page, exactly and without harm.

use serde::Serialize;
use std::fmt::Write;

/// Text for an HTML element or a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// JSON for a `<script type="application/json">` element: no `<` is left in it, so neither a
/// closing tag nor a comment in the data can end or swallow the element.
pub(crate) fn json_in_script<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("reports serialize to JSON").replace('<', "\\u003c")
}

/// Text for a Markdown table cell: one line, and nothing in it is markup.
pub(crate) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text for a terminal: control characters are shown, not obeyed, and so are the marks that turn
/// the direction of a line.
pub(crate) fn terminal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            let _ = write!(escaped, "{}", c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</script><!-- \u{2028} \u{1b}[31m |`*\u{202e}שלום 🦀\n";

    #[test]
    fn json_survives_the_page() {
        let json = json_in_script(&[HOSTILE]);
        assert!(!json.contains('<'), "{json}");
        let back: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, [HOSTILE]);
    }

    #[test]
    fn each_medium_is_left_unharmed() {
        assert_eq!(html("<a href=\"'&\">"), "&lt;a href=&quot;&#39;&amp;&quot;&gt;");
        assert_eq!(markdown("a|b\n<i>*"), "a\\|b &lt;i&gt;\\*");
        assert_eq!(terminal("a\u{1b}[31m\u{202e}é"), "a\\u{1b}[31m\\u{202e}é");
        assert!(!terminal(HOSTILE).contains('\n'));
    }
}
