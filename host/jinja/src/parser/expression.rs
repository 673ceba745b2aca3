//! Expressions, from `if … else` down to names and numbers.

use super::{ARGUMENTS, Parser};
use crate::ast::{
    Arguments, Body, Call, Comparison, Expression, Filter, Operator, StatementKind, Symbol, Test,
};
use crate::error::{Error, ErrorKind, Result};
use crate::lexer::TokenKind;
use crate::names::{FILTERS, TESTS};
use std::sync::Arc;

impl Parser {
    /// `value if condition else other`.
    pub(super) fn expression(&mut self) -> Result<Expression> {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Result<Expression> {
        let known = self.unknown.len();
        let mut value = self.or()?;
        while self.skip_name("if") {
            let condition = self.or()?;
            let other = match self.skip_name("else") {
                true => Some(Box::new(self.expression()?)),
                false => None,
            };
            // An unknown filter in it only matters once it is reached.
            self.unknown.truncate(known);
            self.grow()?;
            value = Expression::If(Box::new(condition), Box::new(value), other);
        }
        Ok(value)
    }

    fn or(&mut self) -> Result<Expression> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
            self.grow()?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
            self.grow()?;
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression> {
        if self.skip_name("not") {
            return Ok(Expression::Not(Box::new(self.nested(Self::not)?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.kind() {
                TokenKind::Operator("==") => Comparison::Equal,
                TokenKind::Operator("!=") => Comparison::NotEqual,
                TokenKind::Operator("<") => Comparison::Less,
                TokenKind::Operator("<=") => Comparison::LessOrEqual,
                TokenKind::Operator(">") => Comparison::Greater,
                TokenKind::Operator(">=") => Comparison::GreaterOrEqual,
                TokenKind::Name(name) if &**name == "in" => Comparison::In,
                TokenKind::Name(name)
                    if &**name == "not"
                        && matches!(self.peek(), TokenKind::Name(next) if &**next == "in") =>
                {
                    self.next();
                    Comparison::NotIn
                }
                _ => break,
            };
            self.next();
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Compare(Box::new(first), rest) })
    }

    fn sum(&mut self) -> Result<Expression> {
        let operators = [("+", Operator::Add), ("-", Operator::Subtract)];
        self.binary(&operators, Self::concat)
    }

    fn concat(&mut self) -> Result<Expression> {
        let mut parts = vec![self.product()?];
        while self.skip_operator("~") {
            parts.push(self.product()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Concat(parts) })
    }

    fn product(&mut self) -> Result<Expression> {
        let operators = [
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("//", Operator::FloorDivide),
            ("%", Operator::Modulo),
        ];
        self.binary(&operators, Self::power)
    }

    fn power(&mut self) -> Result<Expression> {
        self.binary(&[("**", Operator::Power)], |parser| parser.beside(|parser| parser.unary(true)))
    }

    /// Operators of one rank, from left to right.
    fn binary(
        &mut self,
        operators: &[(&str, Operator)],
        operand: impl Fn(&mut Self) -> Result<Expression>,
    ) -> Result<Expression> {
        let mut left = operand(self)?;
        while let Some((sign, operator)) = operators.iter().find(|(sign, _)| self.is_operator(sign))
        {
            self.expect_operator(sign)?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(operand(self)?));
            self.grow()?;
        }
        Ok(left)
    }

    fn unary(&mut self, with_filters: bool) -> Result<Expression> {
        let value = if self.skip_operator("-") {
            Expression::Negative(Box::new(self.nested(|parser| parser.unary(false))?))
        } else if self.skip_operator("+") {
            Expression::Positive(Box::new(self.nested(|parser| parser.unary(false))?))
        } else {
            self.primary()?
        };
        let value = self.postfix(value)?;
        if with_filters { self.filtered(value) } else { Ok(value) }
    }

    fn primary(&mut self) -> Result<Expression> {
        match self.kind() {
            TokenKind::Name(_) => {
                let name = self.expect_name()?;
                Ok(match &*name {
                    "true" | "True" => Expression::Bool(true),
                    "false" | "False" => Expression::Bool(false),
                    "none" | "None" => Expression::None,
                    _ => Expression::Name(self.symbol(&name)),
                })
            }
            TokenKind::Str(_) => {
                let mut text = String::new();
                while let TokenKind::Str(part) = self.kind() {
                    text.push_str(part);
                    self.next();
                }
                Ok(Expression::Str(text.into()))
            }
            TokenKind::Int(value) => {
                let value = *value;
                self.next();
                Ok(Expression::Int(value))
            }
            TokenKind::Float(value) => {
                let value = *value;
                self.next();
                Ok(Expression::Float(value))
            }
            TokenKind::Operator("(") => {
                self.next();
                let value = self.nested(|parser| parser.items_of_tuple(&[], true, true))?;
                self.expect_operator(")")?;
                Ok(value)
            }
            TokenKind::Operator("[") => {
                self.next();
                Ok(Expression::List(self.separated("]", Self::expression)?))
            }
            TokenKind::Operator("{") => {
                self.next();
                Ok(Expression::Dict(self.separated("}", |parser| {
                    let key = parser.expression()?;
                    parser.expect_operator(":")?;
                    Ok((key, parser.expression()?))
                })?))
            }
            TokenKind::End => self.fail("unexpected end of template"),
            _ => self.fail(format!("unexpected {}", self.found())),
        }
    }

    /// Items with commas between them, up to a bracket, which is read.
    fn separated<T>(&mut self, end: &str, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while !self.is_operator(end) {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.is_operator(end) {
                break;
            }
            items.push(item(self)?);
        }
        self.next();
        Ok(items)
    }

    /// One expression, or several with commas between them: a tuple.
    pub(super) fn tuple(&mut self) -> Result<Expression> {
        self.items_of_tuple(&[], true, false)
    }

    /// A tuple in a place where `if` means something else.
    pub(super) fn tuple_without_condition(&mut self, ends: &[&str]) -> Result<Expression> {
        self.items_of_tuple(ends, false, false)
    }

    fn items_of_tuple(
        &mut self,
        ends: &[&str],
        may_be_conditional: bool,
        may_be_empty: bool,
    ) -> Result<Expression> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            let is_end = matches!(self.kind(), TokenKind::PrintEnd | TokenKind::BlockEnd)
                || self.is_operator(")")
                || ends.iter().any(|end| self.is_name(end));
            if is_end {
                break;
            }
            items.push(match may_be_conditional {
                true => self.expression()?,
                false => self.nested(Self::or)?,
            });
            if !self.skip_operator(",") {
                break;
            }
            is_tuple = true;
        }
        match (items.len(), is_tuple) {
            (1, false) => Ok(items.remove(0)),
            (0, _) if !may_be_empty => {
                self.fail(format!("Expected an expression, got {}", self.found()))
            }
            _ => Ok(Expression::Tuple(items)),
        }
    }

    fn postfix(&mut self, mut value: Expression) -> Result<Expression> {
        loop {
            value = match self.kind() {
                TokenKind::Operator(".") => {
                    self.next();
                    match self.next() {
                        TokenKind::Name(name) => Expression::Attribute(Box::new(value), name),
                        TokenKind::Int(index) => {
                            Expression::Item(Box::new(value), Box::new(Expression::Int(index)))
                        }
                        _ => return self.fail("expected name or number"),
                    }
                }
                TokenKind::Operator("[") => {
                    self.next();
                    self.subscript(value)?
                }
                TokenKind::Operator("(") => self.call(value)?,
                _ => return Ok(value),
            };
            self.grow()?;
        }
    }

    fn call(&mut self, callee: Expression) -> Result<Expression> {
        let arguments = self.arguments()?;
        Ok(Expression::Call(Box::new(Call { callee, arguments })))
    }

    fn subscript(&mut self, value: Expression) -> Result<Expression> {
        let mut items = Vec::new();
        let mut slice = None;
        while !self.is_operator("]") {
            if !items.is_empty() || slice.is_some() {
                self.expect_operator(",")?;
            }
            if slice.is_some() {
                return self.fail("a slice with a comma is of no type that templates have");
            }
            let start = match self.is_operator(":") {
                true => None,
                false => Some(self.expression()?),
            };
            if !self.skip_operator(":") {
                items.push(start.expect("an expression stands before what is no colon"));
                continue;
            }
            let stop = self.slice_part()?;
            let step = if self.skip_operator(":") { self.slice_part()? } else { None };
            slice = Some([start, stop, step]);
        }
        self.next();
        match (slice, items.len()) {
            (Some(slice), 0) => Ok(Expression::Slice(Box::new(value), Box::new(slice))),
            (None, 0) => self.fail("expected subscript expression"),
            (None, 1) => Ok(Expression::Item(Box::new(value), Box::new(items.remove(0)))),
            (None, _) => Ok(Expression::Item(Box::new(value), Box::new(Expression::Tuple(items)))),
            (Some(_), _) => self.fail("a slice with a comma is of no type that templates have"),
        }
    }

    fn slice_part(&mut self) -> Result<Option<Expression>> {
        match self.is_operator(":") || self.is_operator("]") || self.is_operator(",") {
            true => Ok(None),
            false => self.expression().map(Some),
        }
    }

    /// What stands between parentheses; the opening one is still to be read.
    pub(super) fn arguments(&mut self) -> Result<Arguments> {
        self.expect_operator("(")?;
        let mut arguments = Arguments::default();
        let mut is_first = true;
        while !self.is_operator(")") {
            if !std::mem::take(&mut is_first) {
                self.expect_operator(",")?;
                if self.is_operator(")") {
                    break;
                }
            }
            self.at_most_arguments(arguments.positional.len() + arguments.named.len())?;
            let is_plain = arguments.more.is_none() && arguments.more_named.is_none();
            let invalid = "invalid syntax for function call expression";
            if self.skip_operator("*") {
                if !is_plain {
                    return self.fail(invalid);
                }
                arguments.more = Some(Box::new(self.expression()?));
            } else if self.skip_operator("**") {
                if arguments.more_named.is_some() {
                    return self.fail(invalid);
                }
                arguments.more_named = Some(Box::new(self.expression()?));
            } else if matches!(self.kind(), TokenKind::Name(_))
                && matches!(self.peek(), TokenKind::Operator("="))
            {
                if arguments.more_named.is_some() {
                    return self.fail(invalid);
                }
                let name = self.expect_name()?;
                self.next();
                if arguments.named.iter().any(|(known, _)| *known == name) {
                    return self.fail(format!("keyword argument repeated: {name}"));
                }
                arguments.named.push((name, self.expression()?));
            } else {
                if !is_plain || !arguments.named.is_empty() {
                    return self.fail(invalid);
                }
                arguments.positional.push(self.expression()?);
            }
        }
        self.next();
        Ok(arguments)
    }

    /// Refuses another argument or parameter where there are so many already.
    pub(super) fn at_most_arguments(&self, given: usize) -> Result<()> {
        if given < ARGUMENTS {
            return Ok(());
        }
        let message = format!("a call or macro with more than {ARGUMENTS} arguments");
        Err(Error::limit(message).at(self.line()))
    }

    /// Filters, tests and calls behind a value.
    fn filtered(&mut self, mut value: Expression) -> Result<Expression> {
        loop {
            value = match self.kind() {
                TokenKind::Operator("|") => {
                    self.next();
                    Expression::Filter(Box::new(value), self.filter()?)
                }
                TokenKind::Name(name) if &**name == "is" => {
                    self.next();
                    self.test(value)?
                }
                TokenKind::Operator("(") => self.call(value)?,
                _ => return Ok(value),
            };
            self.grow()?;
        }
    }

    /// `|a|b(…)`.
    pub(super) fn filters(&mut self) -> Result<Vec<Filter>> {
        let was_soft = std::mem::take(&mut self.is_soft);
        let mut filters = Vec::new();
        while self.skip_operator("|") {
            filters.push(self.filter()?);
        }
        self.is_soft = was_soft;
        Ok(filters)
    }

    /// A filter, the bar before it read.
    pub(super) fn filter(&mut self) -> Result<Filter> {
        let name = self.dotted_name()?;
        if !FILTERS.contains(&&*name) {
            self.unknown_name("filter", &name);
        }
        Ok(Filter { name, arguments: self.optional_arguments()? })
    }

    fn dotted_name(&mut self) -> Result<Arc<str>> {
        let mut name = self.expect_name()?;
        while self.skip_operator(".") {
            name = format!("{name}.{}", self.expect_name()?).into();
        }
        Ok(name)
    }

    fn unknown_name(&mut self, what: &str, name: &str) {
        if !self.is_soft {
            let message = format!("No {what} named '{name}'.");
            self.unknown.push(Error::new(ErrorKind::Syntax, message).at(self.line()));
        }
    }

    fn test(&mut self, value: Expression) -> Result<Expression> {
        let is_negated = self.skip_name("not");
        let name = self.dotted_name()?;
        if !TESTS.contains(&&*name) {
            self.unknown_name("test", &name);
        }
        let takes_one = match self.kind() {
            TokenKind::Str(_) | TokenKind::Int(_) | TokenKind::Float(_) => true,
            TokenKind::Operator(operator) => ["[", "{"].contains(operator),
            TokenKind::Name(word) if &**word == "is" => {
                return self.fail("You cannot chain multiple tests with is");
            }
            TokenKind::Name(word) => !["else", "or", "and"].contains(&&**word),
            _ => false,
        };
        let arguments = if takes_one {
            let argument = self.primary()?;
            Arguments { positional: vec![self.postfix(argument)?], ..Default::default() }
        } else {
            self.optional_arguments()?
        };
        let test = Expression::Test(Box::new(value), Test { name, arguments });
        Ok(if is_negated { Expression::Not(Box::new(test)) } else { test })
    }
}

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

fn defaults(definition: &crate::ast::Macro, symbol: Symbol) -> bool {
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
