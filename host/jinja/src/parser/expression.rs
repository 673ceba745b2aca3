//! Expressions, from `if … else` down to names and numbers; what stands behind those is
//! `postfix.rs`.

use super::Parser;
use crate::ast::{Comparison, Expression, Operator};
use crate::error::Result;
use crate::lexer::TokenKind;

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

    pub(super) fn primary(&mut self) -> Result<Expression> {
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
}
