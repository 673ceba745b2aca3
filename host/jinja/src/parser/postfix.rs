//! What stands behind a value: `.name`, `[item]`, `(arguments)`, `| filter` and `is test`.

use super::{ARGUMENTS, Parser};
use crate::ast::{Arguments, Call, Expression, Filter, Test};
use crate::error::{Error, ErrorKind, Result};
use crate::lexer::TokenKind;
use crate::names::{FILTERS, TESTS};
use std::sync::Arc;

impl Parser {
    pub(super) fn postfix(&mut self, mut value: Expression) -> Result<Expression> {
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
    pub(super) fn filtered(&mut self, mut value: Expression) -> Result<Expression> {
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

    pub(super) fn test(&mut self, value: Expression) -> Result<Expression> {
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
