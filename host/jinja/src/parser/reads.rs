//! Whether a part of the tree reads a name: a macro has `caller`, `varargs` and `kwargs` only where its body asks for them.

use crate::ast::{Arguments, Body, Expression, Macro, StatementKind, Symbol};

/// Whether statements read a name, scopes within them included.
pub(super) fn reads(body: &Body, symbol: Symbol) -> bool {
    body.iter().any(|statement| match &statement.kind {
        StatementKind::Data(_)
        | StatementKind::Block(_)
        | StatementKind::Load(_)
        | StatementKind::Break
        | StatementKind::Continue => false,
        StatementKind::Print(values) => values.iter().any(|it| used(it, symbol)),
        StatementKind::For(it) => {
            used(&it.items, symbol)
                || it.condition.as_ref().is_some_and(|it| used(it, symbol))
                || reads(&it.body, symbol)
                || reads(&it.otherwise, symbol)
        }
        StatementKind::If(branches, otherwise) => {
            branches.iter().any(|(test, body)| used(test, symbol) || reads(body, symbol))
                || reads(otherwise, symbol)
        }
        StatementKind::Set(_, value) => used(value, symbol),
        StatementKind::SetBlock(_, filters, body) | StatementKind::FilterBlock(filters, body) => {
            filters.iter().any(|it| given(&it.arguments, symbol)) || reads(body, symbol)
        }
        StatementKind::With(pairs, body) => {
            pairs.iter().any(|(_, value)| used(value, symbol)) || reads(body, symbol)
        }
        StatementKind::Macro(it) => reads(&it.body, symbol) || defaults(it, symbol),
        StatementKind::Call(call, it) => {
            used(&call.callee, symbol)
                || given(&call.arguments, symbol)
                || reads(&it.body, symbol)
                || defaults(it, symbol)
        }
        StatementKind::Generation(it) => reads(&it.body, symbol),
        StatementKind::Autoescape(value, body) => used(value, symbol) || reads(body, symbol),
    })
}

fn defaults(definition: &Macro, symbol: Symbol) -> bool {
    definition.parameters.iter().filter_map(|it| it.default.as_ref()).any(|it| used(it, symbol))
}

fn used(value: &Expression, symbol: Symbol) -> bool {
    let used = |value: &Expression| used(value, symbol);
    match value {
        Expression::None
        | Expression::Bool(_)
        | Expression::Int(_)
        | Expression::Float(_)
        | Expression::Str(_) => false,
        Expression::Name(name) => *name == symbol,
        Expression::List(items) | Expression::Tuple(items) | Expression::Concat(items) => {
            items.iter().any(used)
        }
        Expression::Dict(pairs) => pairs.iter().any(|(key, value)| used(key) || used(value)),
        Expression::Attribute(of, _) => used(of),
        Expression::Item(of, item) => used(of) || used(item),
        Expression::Slice(of, parts) => used(of) || parts.iter().flatten().any(used),
        Expression::Call(call) => used(&call.callee) || given(&call.arguments, symbol),
        Expression::Filter(of, filter) => used(of) || given(&filter.arguments, symbol),
        Expression::Test(of, test) => used(of) || given(&test.arguments, symbol),
        Expression::Not(it) | Expression::Negative(it) | Expression::Positive(it) => used(it),
        Expression::And(a, b) | Expression::Or(a, b) | Expression::Binary(_, a, b) => {
            used(a) || used(b)
        }
        Expression::Compare(first, rest) => used(first) || rest.iter().any(|(_, it)| used(it)),
        Expression::If(condition, value, other) => {
            used(condition) || used(value) || other.as_ref().is_some_and(|it| used(it))
        }
    }
}

fn given(arguments: &Arguments, symbol: Symbol) -> bool {
    let named = arguments.named.iter().map(|(_, value)| value);
    let more = arguments.more.iter().chain(&arguments.more_named).map(|it| &**it);
    arguments.positional.iter().chain(named).chain(more).any(|it| used(it, symbol))
}
