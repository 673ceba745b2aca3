//! Tokens become a tree, by jinja2's grammar.

mod expression;
mod postfix;
mod reads;
mod statement;

use crate::ast::{Block, Body, Statement, StatementKind, Symbol};
use crate::error::{Error, Result};
use crate::lexer::{Token, TokenKind, tokenize};
use std::collections::HashMap;
use std::sync::Arc;

/// How deep statements and brackets may nest; Python gives up at about as much.
const NESTING: usize = 100;
/// How high a tree of expressions may grow, by operators in a row too.
const HEIGHT: usize = 200;

/// How many arguments or parameters may stand between two parentheses.
const ARGUMENTS: usize = 1000;

/// A parsed template.
pub(crate) struct Parsed {
    pub(crate) body: Body,
    pub(crate) blocks: Vec<Block>,
    /// All names of variables, by symbol.
    pub(crate) names: Vec<Arc<str>>,
    /// The one that a loop goes by in its body, where somebody asks for it.
    pub(crate) loop_name: Option<Symbol>,
}

/// Parses a source.
///
/// # Errors
/// What is no Jinja, with the line.
pub(crate) fn parse(source: &str) -> Result<Parsed> {
    let mut parser = Parser {
        tokens: tokenize(source)?,
        at: 0,
        names: Vec::new(),
        symbols: HashMap::new(),
        blocks: Vec::new(),
        tags: Vec::new(),
        unknown: Vec::new(),
        is_soft: false,
        loops: 0,
        depth: 0,
        height: 0,
    };
    let body = parser.statements(&[])?;
    if let Some(error) = parser.unknown.into_iter().next() {
        return Err(error);
    }
    let loop_name = parser.symbols.get("loop").copied();
    Ok(Parsed { body, blocks: parser.blocks, names: parser.names, loop_name })
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    names: Vec<Arc<str>>,
    /// The same, by name.
    symbols: HashMap<Arc<str>, Symbol>,
    blocks: Vec<Block>,
    /// The tags that are open, for messages.
    tags: Vec<&'static str>,
    /// Filters and tests that do not exist, at places where jinja2 refuses them at once.
    unknown: Vec<Error>,
    /// Within an `if`, where an unknown filter only matters once it is reached.
    is_soft: bool,
    /// Loops around this place that a `break` can leave.
    loops: usize,
    depth: usize,
    /// How high the tree is that has been read in the rule at hand.
    height: usize,
}

impl Parser {
    fn kind(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    fn peek(&self) -> &TokenKind {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].kind
    }

    fn line(&self) -> usize {
        self.tokens[self.at].line
    }

    fn next(&mut self) -> TokenKind {
        let kind = self.kind().clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        kind
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error::syntax(self.line(), message))
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == NESTING {
            return self.too_deep();
        }
        self.depth += 1;
        let result = self.beside(|parser| {
            let result = rule(parser)?;
            parser.grow()?;
            Ok(result)
        });
        self.depth -= 1;
        result
    }

    /// Runs a rule whose tree stands beside what has been read, not upon it.
    fn beside<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let height = std::mem::take(&mut self.height);
        let result = rule(self);
        self.height = self.height.max(height);
        result
    }

    /// Puts a level on top of what has been read.
    fn grow(&mut self) -> Result<()> {
        self.height += 1;
        if self.height > HEIGHT { self.too_deep() } else { Ok(()) }
    }

    fn too_deep<T>(&self) -> Result<T> {
        Err(Error::limit("the template's expressions or tags are nested too deep").at(self.line()))
    }

    fn is_operator(&self, operator: &str) -> bool {
        matches!(self.kind(), TokenKind::Operator(it) if *it == operator)
    }

    fn skip_operator(&mut self, operator: &str) -> bool {
        let found = self.is_operator(operator);
        if found {
            self.next();
        }
        found
    }

    fn expect_operator(&mut self, operator: &str) -> Result<()> {
        if self.skip_operator(operator) {
            return Ok(());
        }
        self.fail(format!("expected token '{operator}', got {}", self.found()))
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.kind(), TokenKind::Name(it) if **it == *name)
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.next();
        }
        found
    }

    fn expect_name(&mut self) -> Result<Arc<str>> {
        match self.kind() {
            TokenKind::Name(name) => {
                let name = name.clone();
                self.next();
                Ok(name)
            }
            _ => self.fail(format!("expected token 'name', got {}", self.found())),
        }
    }

    fn expect_block_end(&mut self) -> Result<()> {
        if *self.kind() == TokenKind::BlockEnd {
            self.next();
            return Ok(());
        }
        self.fail(format!("expected token 'end of statement block', got {}", self.found()))
    }

    /// What stands here, in words.
    fn found(&self) -> String {
        match self.kind() {
            TokenKind::Data(_) => "template data".into(),
            TokenKind::BlockBegin => "'begin of statement block'".into(),
            TokenKind::BlockEnd => "'end of statement block'".into(),
            TokenKind::PrintBegin => "'begin of print statement'".into(),
            TokenKind::PrintEnd => "'end of print statement'".into(),
            TokenKind::Name(name) => format!("'{name}'"),
            TokenKind::Str(text) => format!("'{text}'"),
            TokenKind::Int(value) => format!("'{value}'"),
            TokenKind::Float(value) => format!("'{value}'"),
            TokenKind::Operator(operator) => format!("'{operator}'"),
            TokenKind::End => "end of template".into(),
        }
    }

    fn symbol(&mut self, name: &Arc<str>) -> Symbol {
        let next = Symbol(self.names.len() as u32);
        let symbol = *self.symbols.entry(name.clone()).or_insert(next);
        if symbol == next {
            self.names.push(name.clone());
        }
        symbol
    }

    /// Statements up to a tag of one of these names, which is left to be read; all, where there
    /// are none.
    fn statements(&mut self, ends: &[&str]) -> Result<Body> {
        self.nested(|parser| {
            let mut body = Body::new();
            while let Some(statement) = parser.part(ends)? {
                body.push(statement);
            }
            Ok(body)
        })
    }

    fn part(&mut self, ends: &[&str]) -> Result<Option<Statement>> {
        let line = self.line();
        let kind = match self.kind() {
            TokenKind::Data(_) => match self.next() {
                TokenKind::Data(text) => StatementKind::Data(text),
                _ => unreachable!("the token has been looked at"),
            },
            TokenKind::PrintBegin => {
                self.next();
                let value = self.tuple()?;
                if *self.kind() != TokenKind::PrintEnd {
                    let found = self.found();
                    return self
                        .fail(format!("expected token 'end of print statement', got {found}"));
                }
                self.next();
                StatementKind::Print(vec![value])
            }
            TokenKind::BlockBegin => {
                self.next();
                if ends.iter().any(|end| self.is_name(end)) {
                    return Ok(None);
                }
                match self.statement()? {
                    Some(kind) => kind,
                    None => return self.part(ends),
                }
            }
            TokenKind::End if ends.is_empty() => return Ok(None),
            _ => {
                let tag = self.tags.last().copied().unwrap_or_default();
                return self.fail(format!(
                    "Unexpected end of template. Jinja was looking for the following tags: '{}'. \
                     The innermost block that needs to be closed is '{tag}'.",
                    ends.join("' or '")
                ));
            }
        };
        Ok(Some(Statement { line, kind }))
    }
}
