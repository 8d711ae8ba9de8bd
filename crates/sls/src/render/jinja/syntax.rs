//! The tree of a template.

use std::collections::HashMap;
use std::rc::Rc;

/// A template that was read.
pub(crate) struct Template {
    pub(crate) name: Rc<str>,
    pub(crate) body: Vec<Statement>,
    /// Blocks that children may replace, by name.
    pub(crate) blocks: HashMap<Rc<str>, Rc<BlockNode>>,
}

/// A statement and the line of its first expression.
pub(crate) struct Statement {
    pub(crate) line: usize,
    pub(crate) node: Node,
}

pub(crate) enum Node {
    Text(Rc<str>),
    Output(Expr),
    Do(Expr),
    If(Vec<(Expr, Vec<Statement>)>, Vec<Statement>),
    For(Rc<ForNode>),
    Set(Target, Expr),
    /// The filters are applied to the text; their innermost operand is [`Expr::Captured`].
    SetBlock(Target, Expr, Vec<Statement>),
    FilterBlock(Expr, Vec<Statement>),
    With(Vec<(Target, Expr)>, Vec<Statement>),
    /// A body without a meaning of its own: `autoescape`, `profile`.
    Scope(Vec<Statement>),
    Macro(Rc<MacroNode>),
    Call(Expr, Rc<MacroNode>),
    Import(Expr, Rc<str>, bool),
    /// `import_yaml` and its siblings: the text of the module goes through a filter.
    ImportData(Expr, Rc<str>, bool, &'static str),
    FromImport(Expr, Vec<(Rc<str>, Rc<str>)>, bool),
    Include {
        name: Expr,
        is_missing_ignored: bool,
        with_context: bool,
    },
    Extends(Expr),
    Block(Rc<BlockNode>),
    Break,
    Continue,
}

pub(crate) struct ForNode {
    pub(crate) target: Target,
    pub(crate) iter: Expr,
    pub(crate) filter: Option<Expr>,
    pub(crate) body: Vec<Statement>,
    pub(crate) otherwise: Vec<Statement>,
    pub(crate) is_recursive: bool,
}

pub(crate) struct MacroNode {
    pub(crate) name: Rc<str>,
    /// The template that it stands in.
    pub(crate) file: Rc<str>,
    pub(crate) parameters: Vec<(Rc<str>, Option<Expr>)>,
    pub(crate) body: Vec<Statement>,
    /// Whether the body reads `varargs`, `kwargs` and `caller`.
    pub(crate) takes: Takes,
}

/// What a macro reads besides its parameters.
#[derive(Clone, Copy, Default)]
pub(crate) struct Takes {
    pub(crate) varargs: bool,
    pub(crate) kwargs: bool,
    pub(crate) caller: bool,
}

pub(crate) struct BlockNode {
    pub(crate) name: Rc<str>,
    /// The template that it stands in.
    pub(crate) file: Rc<str>,
    pub(crate) is_scoped: bool,
    pub(crate) is_required: bool,
    pub(crate) body: Vec<Statement>,
}

/// What is assigned to.
pub(crate) enum Target {
    Name(Rc<str>),
    Attribute(Rc<str>, Rc<str>),
    Tuple(Vec<Target>),
}

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) positional: Vec<Expr>,
    pub(crate) named: Vec<(Rc<str>, Expr)>,
    pub(crate) star: Option<Expr>,
    pub(crate) double_star: Option<Expr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

pub(crate) enum Expr {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Rc<str>),
    Name(Rc<str>),
    /// The text of the block that a filter applies to.
    Captured,
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Attribute(Box<Expr>, Rc<str>),
    Item(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Box<[Option<Expr>; 3]>),
    Call(Box<Expr>, Box<Arguments>),
    Filter(Box<Expr>, Rc<str>, Box<Arguments>),
    Test(Box<Expr>, Rc<str>, Box<Arguments>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Concat(Vec<Expr>),
    /// condition, then, else
    If(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
}

impl Expr {
    /// Takes out what a chain such as `a.b.c` or `1 + 2 + 3` goes on with.
    fn take_first(&mut self) -> Option<Expr> {
        let first = match self {
            Expr::Attribute(first, _)
            | Expr::Item(first, _)
            | Expr::Slice(first, _)
            | Expr::Call(first, _)
            | Expr::Filter(first, _, _)
            | Expr::Test(first, _, _)
            | Expr::And(first, _)
            | Expr::Or(first, _)
            | Expr::Binary(_, first, _)
            | Expr::If(_, first, _)
            | Expr::Not(first) => first,
            _ => return None,
        };
        Some(std::mem::replace(&mut **first, Expr::None))
    }
}

/// Chains are read in a loop, and may be longer than the stack is deep: so they go in a loop as well.
impl Drop for Expr {
    fn drop(&mut self) {
        let mut rest = self.take_first();
        while let Some(mut expr) = rest {
            rest = expr.take_first();
        }
    }
}
