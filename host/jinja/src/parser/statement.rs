//! Tags.

use super::Parser;
use crate::ast::{
    Arguments, Block, Body, Expression, Filter, For, Macro, Parameter, StatementKind, Symbol,
    Target,
};
use crate::error::Result;
use crate::lexer::TokenKind;
use std::sync::Arc;

impl Parser {
    /// A tag, its name not yet read. `None` for one that leaves nothing to do.
    pub(super) fn statement(&mut self) -> Result<Option<StatementKind>> {
        let name = self.expect_tag()?;
        Ok(Some(match &*name {
            "for" => self.for_loop()?,
            "if" => self.condition()?,
            "set" => self.set()?,
            "with" => self.with()?,
            "macro" => self.macro_definition()?,
            "call" => self.call_block()?,
            "generation" => {
                self.expect_block_end()?;
                let body = self.function_body("generation", "endgeneration")?;
                StatementKind::Generation(Arc::new(self.as_macro(None, Vec::new(), body, None)?))
            }
            "filter" => {
                let filters = self.filters_of_block()?;
                self.expect_block_end()?;
                StatementKind::FilterBlock(filters, self.scoped_body("filter", "endfilter")?)
            }
            "block" => self.block()?,
            "autoescape" => {
                let value = self.expression()?;
                self.expect_block_end()?;
                StatementKind::Autoescape(value, self.scoped_body("autoescape", "endautoescape")?)
            }
            "print" => {
                let mut values = Vec::new();
                while *self.kind() != TokenKind::BlockEnd {
                    if !values.is_empty() {
                        self.expect_operator(",")?;
                    }
                    values.push(self.expression()?);
                }
                self.expect_block_end()?;
                StatementKind::Print(values)
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return self.fail(format!("'{name}' outside loop"));
                }
                self.expect_block_end()?;
                if &*name == "break" { StatementKind::Break } else { StatementKind::Continue }
            }
            "include" | "import" | "from" | "extends" => {
                let tag = ["include", "import", "from", "extends"]
                    .into_iter()
                    .find(|tag| *tag == &*name)
                    .unwrap_or_default();
                while *self.kind() != TokenKind::BlockEnd && *self.kind() != TokenKind::End {
                    self.next();
                }
                self.expect_block_end()?;
                StatementKind::Load(tag)
            }
            _ => {
                let open = self
                    .tags
                    .last()
                    .map(|tag| format!(" The innermost block that needs to be closed is '{tag}'."));
                let open = open.unwrap_or_default();
                return self.fail(format!("Encountered unknown tag '{name}'.{open}"));
            }
        }))
    }

    fn expect_tag(&mut self) -> Result<Arc<str>> {
        match self.kind() {
            TokenKind::Name(_) => self.expect_name(),
            _ => self.fail("tag name expected"),
        }
    }

    /// Statements up to an end tag, which is read.
    fn body(&mut self, tag: &'static str, end: &'static str) -> Result<Body> {
        self.tags.push(tag);
        let body = self.statements(&[end])?;
        self.tags.pop();
        self.next();
        self.expect_block_end()?;
        Ok(body)
    }

    /// A body with a scope of its own, in which unknown filters matter again.
    fn scoped_body(&mut self, tag: &'static str, end: &'static str) -> Result<Body> {
        let was_soft = std::mem::take(&mut self.is_soft);
        let body = self.body(tag, end)?;
        self.is_soft = was_soft;
        Ok(body)
    }

    /// A body that is a function, so that no `break` leaves it.
    fn function_body(&mut self, tag: &'static str, end: &'static str) -> Result<Body> {
        let loops = std::mem::take(&mut self.loops);
        let body = self.scoped_body(tag, end)?;
        self.loops = loops;
        Ok(body)
    }

    /// What opens a tag's body.
    fn open_body(&mut self) -> Result<()> {
        self.skip_operator(":");
        self.expect_block_end()
    }

    fn for_loop(&mut self) -> Result<StatementKind> {
        let target = self.target(&["in"], false)?;
        if mentions(&target, &self.names, "loop") {
            return self.fail("Can't assign to special loop variable in for-loop target");
        }
        if !self.skip_name("in") {
            return self.fail(format!("expected token 'in', got {}", self.found()));
        }
        let items = self.tuple_without_condition(&["recursive"])?;
        let condition = match self.skip_name("if") {
            true => Some(self.expression()?),
            false => None,
        };
        let is_recursive = self.skip_name("recursive");
        self.open_body()?;
        let was_soft = std::mem::take(&mut self.is_soft);
        self.tags.push("for");
        self.loops += 1;
        let body = self.statements(&["endfor", "else"])?;
        self.loops -= 1;
        let otherwise = match self.skip_name("else") {
            true => {
                self.open_body()?;
                self.statements(&["endfor"])?
            }
            false => Body::new(),
        };
        self.tags.pop();
        self.is_soft = was_soft;
        self.next();
        self.expect_block_end()?;
        let parts = For { target, items, condition, body, otherwise, is_recursive };
        Ok(StatementKind::For(Arc::new(parts)))
    }

    fn condition(&mut self) -> Result<StatementKind> {
        let was_soft = std::mem::replace(&mut self.is_soft, true);
        self.tags.push("if");
        let mut branches = Vec::new();
        let mut otherwise = Body::new();
        loop {
            let test = self.tuple_without_condition(&[])?;
            self.open_body()?;
            branches.push((test, self.statements(&["elif", "else", "endif"])?));
            if self.skip_name("elif") {
                continue;
            }
            if self.skip_name("else") {
                self.open_body()?;
                otherwise = self.statements(&["endif"])?;
            }
            break;
        }
        self.tags.pop();
        self.is_soft = was_soft;
        self.next();
        self.expect_block_end()?;
        Ok(StatementKind::If(branches, otherwise))
    }

    fn set(&mut self) -> Result<StatementKind> {
        let target = self.target(&[], true)?;
        if self.skip_operator("=") {
            let value = self.tuple()?;
            self.expect_block_end()?;
            return Ok(StatementKind::Set(target, value));
        }
        let filters = match self.is_operator("|") {
            true => self.filters()?,
            false => Vec::new(),
        };
        self.open_body()?;
        Ok(StatementKind::SetBlock(target, filters, self.scoped_body("set", "endset")?))
    }

    fn with(&mut self) -> Result<StatementKind> {
        let mut pairs = Vec::new();
        while *self.kind() != TokenKind::BlockEnd {
            if !pairs.is_empty() {
                self.expect_operator(",")?;
            }
            let target = self.target(&[], false)?;
            self.expect_operator("=")?;
            pairs.push((target, self.expression()?));
        }
        self.open_body()?;
        Ok(StatementKind::With(pairs, self.scoped_body("with", "endwith")?))
    }

    fn macro_definition(&mut self) -> Result<StatementKind> {
        let name = self.expect_name()?;
        self.assignable(&name)?;
        let parameters = self.signature()?;
        self.open_body()?;
        let body = self.function_body("macro", "endmacro")?;
        let symbol = self.symbol(&name);
        let parts = self.as_macro(Some(name), parameters, body, Some(symbol))?;
        Ok(StatementKind::Macro(Arc::new(parts)))
    }

    fn call_block(&mut self) -> Result<StatementKind> {
        let parameters = match self.is_operator("(") {
            true => self.signature()?,
            false => Vec::new(),
        };
        let Expression::Call(call) = self.expression()? else {
            return self.fail("expected call");
        };
        self.open_body()?;
        let body = self.function_body("call", "endcall")?;
        Ok(StatementKind::Call(call, Arc::new(self.as_macro(None, parameters, body, None)?)))
    }

    fn signature(&mut self) -> Result<Vec<Parameter>> {
        self.expect_operator("(")?;
        let mut parameters: Vec<Parameter> = Vec::new();
        while !self.is_operator(")") {
            if !parameters.is_empty() {
                self.expect_operator(",")?;
            }
            let name = self.expect_name()?;
            self.assignable(&name)?;
            let default = match self.skip_operator("=") {
                true => Some(self.expression()?),
                false => None,
            };
            if default.is_none() && parameters.iter().any(|it| it.default.is_some()) {
                return self.fail("non-default argument follows default argument");
            }
            if parameters.iter().any(|it| it.name == name) {
                return self.fail(format!("duplicate argument '{name}' in function definition"));
            }
            self.at_most_arguments(parameters.len())?;
            parameters.push(Parameter { symbol: self.symbol(&name), name, default });
        }
        self.next();
        Ok(parameters)
    }

    /// Puts a macro together; looks for the names that jinja2 fills by itself.
    fn as_macro(
        &mut self,
        name: Option<Arc<str>>,
        parameters: Vec<Parameter>,
        body: Body,
        symbol: Option<Symbol>,
    ) -> Result<Macro> {
        let special = |name: &str| {
            let symbol = *self.symbols.get(name)?;
            super::reads::reads(&body, symbol).then_some(symbol)
        };
        let (caller, varargs, kwargs) = (special("caller"), special("varargs"), special("kwargs"));
        let explicit = |name: &str| parameters.iter().find(|it| &*it.name == name);
        if caller.is_some() && explicit("caller").is_some_and(|it| it.default.is_none()) {
            return self.fail(
                "When defining macros or call blocks the special \"caller\" argument must be \
                 omitted or be given a default.",
            );
        }
        Ok(Macro {
            name,
            symbol: symbol.unwrap_or(Symbol(u32::MAX)),
            caller: caller.filter(|_| explicit("caller").is_none()),
            varargs: varargs.filter(|_| explicit("varargs").is_none()),
            kwargs: kwargs.filter(|_| explicit("kwargs").is_none()),
            parameters,
            body,
        })
    }

    fn filters_of_block(&mut self) -> Result<Vec<Filter>> {
        let was_soft = std::mem::take(&mut self.is_soft);
        let mut filters = vec![self.filter()?];
        while self.skip_operator("|") {
            filters.push(self.filter()?);
        }
        self.is_soft = was_soft;
        Ok(filters)
    }

    fn block(&mut self) -> Result<StatementKind> {
        let name = self.expect_name()?;
        let mut is_scoped = false;
        while let TokenKind::Name(word) = self.kind() {
            match &**word {
                "scoped" => is_scoped = true,
                "required" => {}
                _ => break,
            }
            self.next();
        }
        if self.is_operator("-") {
            return self.fail("block names in Jinja have to be valid Python identifiers");
        }
        self.expect_block_end()?;
        let loops = std::mem::take(&mut self.loops);
        let was_soft = std::mem::take(&mut self.is_soft);
        self.tags.push("block");
        let body = self.statements(&["endblock"])?;
        self.tags.pop();
        (self.loops, self.is_soft) = (loops, was_soft);
        self.next();
        self.skip_name(&name);
        self.expect_block_end()?;
        if self.blocks.iter().any(|block| block.name == name) {
            return self.fail(format!("block '{name}' defined twice"));
        }
        self.blocks.push(Block { name, body, is_scoped });
        Ok(StatementKind::Block(self.blocks.len() - 1))
    }

    /// What is assigned to: a name, several, or an attribute of a namespace.
    pub(super) fn target(&mut self, ends: &[&str], may_be_attribute: bool) -> Result<Target> {
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            let is_end = ends.iter().any(|end| self.is_name(end));
            if is_end || matches!(self.kind(), TokenKind::BlockEnd) || self.is_operator(")") {
                break;
            }
            targets.push(self.single_target(may_be_attribute)?);
            if !self.skip_operator(",") {
                break;
            }
            is_tuple = true;
        }
        match (targets.len(), is_tuple) {
            (0, _) => self.fail(format!("Expected an expression, got {}", self.found())),
            (1, false) => Ok(targets.remove(0)),
            _ => Ok(Target::Tuple(targets)),
        }
    }

    fn single_target(&mut self, may_be_attribute: bool) -> Result<Target> {
        if self.skip_operator("(") {
            let target = self.nested(|parser| parser.target(&[], false))?;
            self.expect_operator(")")?;
            return Ok(target);
        }
        let is_attribute = matches!(self.peek(), TokenKind::Operator("."));
        if !matches!(self.kind(), TokenKind::Name(_)) {
            return self.fail(format!("can't assign to {}", self.found()));
        }
        let name = self.expect_name()?;
        if is_attribute && may_be_attribute {
            self.next();
            let attribute = self.expect_name()?;
            return Ok(Target::Attribute(self.symbol(&name), attribute));
        }
        self.assignable(&name)?;
        Ok(Target::Name(self.symbol(&name)))
    }

    fn assignable(&self, name: &str) -> Result<()> {
        if matches!(name, "true" | "false" | "none" | "True" | "False" | "None") {
            return self.fail(format!("can't assign to '{name}'"));
        }
        Ok(())
    }

    /// A filter's or test's arguments, where there are any.
    pub(super) fn optional_arguments(&mut self) -> Result<Arguments> {
        match self.is_operator("(") {
            true => self.arguments(),
            false => Ok(Arguments::default()),
        }
    }
}

fn mentions(target: &Target, names: &[Arc<str>], name: &str) -> bool {
    match target {
        Target::Name(symbol) => &*names[symbol.0 as usize] == name,
        Target::Attribute(..) => false,
        Target::Tuple(targets) => targets.iter().any(|target| mentions(target, names, name)),
    }
}
