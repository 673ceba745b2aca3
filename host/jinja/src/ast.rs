//! A template as a tree.

use std::sync::Arc;

/// A name's place in the template's table of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Symbol(pub(crate) u32);

/// Statements in order.
pub(crate) type Body = Vec<Statement>;

/// A statement and the line it begins on.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) line: usize,
    pub(crate) kind: StatementKind,
}

#[derive(Debug)]
pub(crate) enum StatementKind {
    /// Text between the tags.
    Data(String),
    /// `{{ … }}`.
    Print(Vec<Expression>),
    For(Arc<For>),
    /// Conditions with what they guard, and what else.
    If(Vec<(Expression, Body)>, Body),
    Set(Target, Expression),
    SetBlock(Target, Vec<Filter>, Body),
    With(Vec<(Target, Expression)>, Body),
    Macro(Arc<Macro>),
    /// `{% call %}`: the body is a macro handed to the call.
    Call(Box<Call>, Arc<Macro>),
    /// `{% generation %}`: what the assistant says.
    Generation(Arc<Macro>),
    FilterBlock(Vec<Filter>, Body),
    /// A block, by its place in the template's table.
    Block(usize),
    Autoescape(Expression, Body),
    /// Tags that load other templates, of which there are none.
    Load(&'static str),
    Break,
    Continue,
}

#[derive(Debug)]
pub(crate) struct For {
    pub(crate) target: Target,
    pub(crate) items: Expression,
    pub(crate) condition: Option<Expression>,
    pub(crate) body: Body,
    pub(crate) otherwise: Body,
    pub(crate) is_recursive: bool,
}

/// What is assigned to.
#[derive(Debug)]
pub(crate) enum Target {
    Name(Symbol),
    /// An attribute of a namespace.
    Attribute(Symbol, Arc<str>),
    Tuple(Vec<Target>),
}

#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) symbol: Symbol,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Body,
    /// Which of the names that are filled without being asked for the body speaks of.
    pub(crate) caller: Option<Symbol>,
    pub(crate) varargs: Option<Symbol>,
    pub(crate) kwargs: Option<Symbol>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Arc<str>,
    pub(crate) symbol: Symbol,
    pub(crate) default: Option<Expression>,
}

/// A block of `{% block %}`.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) name: Arc<str>,
    pub(crate) body: Body,
    /// Whether it sees the variables of the loops around it.
    pub(crate) is_scoped: bool,
}

#[derive(Debug)]
pub(crate) enum Expression {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
    Name(Symbol),
    List(Vec<Expression>),
    Tuple(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    Attribute(Box<Expression>, Arc<str>),
    Item(Box<Expression>, Box<Expression>),
    Slice(Box<Expression>, Box<[Option<Expression>; 3]>),
    Call(Box<Call>),
    Filter(Box<Expression>, Filter),
    Test(Box<Expression>, Test),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Positive(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    /// `a < b < c`.
    Compare(Box<Expression>, Vec<(Comparison, Expression)>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// `a ~ b`.
    Concat(Vec<Expression>),
    /// Condition, value, other value.
    If(Box<Expression>, Box<Expression>, Option<Box<Expression>>),
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) callee: Expression,
    pub(crate) arguments: Arguments,
}

#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) name: Arc<str>,
    pub(crate) arguments: Arguments,
}

#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: Arc<str>,
    pub(crate) arguments: Arguments,
}

/// What stands between the parentheses of a call.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) positional: Vec<Expression>,
    pub(crate) named: Vec<(Arc<str>, Expression)>,
    /// `*values`.
    pub(crate) more: Option<Box<Expression>>,
    /// `**values`.
    pub(crate) more_named: Option<Box<Expression>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}
