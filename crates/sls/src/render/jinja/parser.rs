//! Reads the statements of a template; expressions are read in [`super::expression`].

use std::collections::HashMap;
use std::rc::Rc;

use super::fault::{Fault, Result};
use super::lexer::{Token, Whitespace, tokens};
use super::syntax::{
    BlockNode, Expr, ForNode, MacroNode, Node, Statement, Takes, Target, Template,
};
use crate::render::limits::SYNTAX_DEPTH_MAX;

/// Reads a template.
pub(crate) fn parse(name: &Rc<str>, source: &str, whitespace: Whitespace) -> Result<Template> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = match source.strip_suffix('\n') {
        Some(rest) if !whitespace.keep_trailing_newline => rest,
        _ => &source,
    };
    let mut parser = Parser {
        file: name.clone(),
        tokens: tokens(source, whitespace, name)?,
        at: 0,
        depth: 0,
        blocks: HashMap::new(),
        takes: Takes::default(),
    };
    let body = parser.body(&[]);
    let line = parser.line();
    let body = body.map_err(|fault| fault.at(name, line))?;
    Ok(Template {
        name: name.clone(),
        body,
        blocks: parser.blocks,
    })
}

pub(super) struct Parser {
    file: Rc<str>,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    blocks: HashMap<Rc<str>, Rc<BlockNode>>,
    /// Names that the macro that is being read has used so far.
    pub(super) takes: Takes,
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    pub(super) fn peek_next(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].0
    }

    pub(super) fn line(&self) -> usize {
        self.tokens[self.at].1
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    pub(super) fn skip_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Token::Name(found) if **found == *name)
    }

    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.skip_symbol(symbol) {
            return Ok(());
        }
        Err(self.expected(&format!("token '{symbol}'")))
    }

    fn expect_name(&mut self, name: &str) -> Result<()> {
        if self.skip_name(name) {
            return Ok(());
        }
        Err(self.expected(&format!("token '{name}'")))
    }

    pub(super) fn name(&mut self) -> Result<Rc<str>> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.next();
                Ok(name)
            }
            _ => Err(self.expected("token 'name'")),
        }
    }

    pub(super) fn expected(&self, what: &str) -> Fault {
        let found = describe(self.peek());
        Fault::syntax(format!("expected {what}, got '{found}'"))
    }

    /// Runs a rule one level deeper; a source that nests without end must not end the process.
    pub(super) fn deeper<T>(&mut self, rule: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        if self.depth >= SYNTAX_DEPTH_MAX {
            return Err(Fault::limit("the depth of its syntax"));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    fn block_end(&mut self) -> Result<()> {
        if *self.peek() == Token::BlockEnd {
            self.next();
            return Ok(());
        }
        Err(self.expected("token 'end of statement block'"))
    }

    /// Statements up to a tag with one of the names, which is not taken.
    fn body(&mut self, ends: &[&str]) -> Result<Vec<Statement>> {
        let mut body = Vec::new();
        loop {
            let line = self.line();
            match self.peek().clone() {
                Token::Text(text) => {
                    self.next();
                    body.push(Statement {
                        line,
                        node: Node::Text(text.into()),
                    });
                }
                Token::VariableBegin => {
                    self.next();
                    let line = self.line();
                    let expr = self.tuple(true)?;
                    if *self.peek() != Token::VariableEnd {
                        return Err(self.expected("token 'end of print statement'"));
                    }
                    self.next();
                    body.push(Statement {
                        line,
                        node: Node::Output(expr),
                    });
                }
                Token::BlockBegin => {
                    if let Token::Name(name) = self.peek_next()
                        && ends.contains(&&**name)
                    {
                        self.next();
                        return Ok(body);
                    }
                    self.next();
                    let line = self.line();
                    let node = self.deeper(|parser| parser.statement())?;
                    body.push(Statement { line, node });
                }
                _ if ends.is_empty() => return Ok(body),
                _ => {
                    let wanted = ends
                        .iter()
                        .map(|end| format!("'{end}'"))
                        .collect::<Vec<_>>();
                    let innermost = ends
                        .last()
                        .and_then(|end| end.strip_prefix("end"))
                        .unwrap_or_default();
                    return Err(Fault::syntax(format!(
                        "Unexpected end of template. Jinja was looking for the following tags: {}. The innermost block that needs to be closed is '{innermost}'.",
                        wanted.join(" or ")
                    )));
                }
            }
        }
    }

    /// The rest of a tag, and the statements up to its end tag, which is taken with the rest of its own tag.
    fn body_until(&mut self, end: &str) -> Result<Vec<Statement>> {
        self.block_end()?;
        let body = self.body(&[end])?;
        self.next();
        Ok(body)
    }

    fn statement(&mut self) -> Result<Node> {
        let Token::Name(tag) = self.next() else {
            return Err(Fault::syntax("tag name expected"));
        };
        let node = match &*tag {
            "if" => return self.conditional(),
            "for" => return self.for_loop(),
            "set" => self.set()?,
            "do" => Node::Do(self.tuple(true)?),
            "macro" => {
                let name = self.name()?;
                Node::Macro(self.macro_rest(name, "endmacro")?)
            }
            "call" => {
                let signature = if self.is_symbol("(") {
                    self.signature()?
                } else {
                    Vec::new()
                };
                let call = self.expression()?;
                let outer = self.takes;
                self.takes = Takes::default();
                let body = self.body_until("endcall")?;
                let takes = std::mem::replace(&mut self.takes, outer);
                Node::Call(
                    call,
                    Rc::new(MacroNode {
                        name: "caller".into(),
                        file: self.file.clone(),
                        parameters: signature,
                        body,
                        takes,
                    }),
                )
            }
            "filter" => {
                let filter = self.filters(Expr::Captured, true)?;
                Node::FilterBlock(filter, self.body_until("endfilter")?)
            }
            "with" => self.with()?,
            "autoescape" => {
                self.expression()?;
                Node::Scope(self.body_until("endautoescape")?)
            }
            "profile" => {
                self.expect_name("as")?;
                self.expression()?;
                Node::Scope(self.body_until("endprofile")?)
            }
            "import" => {
                let (template, name, with_context) = self.import()?;
                Node::Import(template, name, with_context)
            }
            "import_yaml" | "import_json" | "import_text" => {
                let (template, name, with_context) = self.import()?;
                Node::ImportData(template, name, with_context, loader(&tag))
            }
            "load_yaml" | "load_json" | "load_text" => {
                self.expect_name("as")?;
                let target = self.target()?;
                let filter = Expr::Filter(
                    Box::new(Expr::Captured),
                    loader(&tag).into(),
                    Box::default(),
                );
                Node::SetBlock(target, filter, self.body_until("endload")?)
            }
            "from" => self.import_names()?,
            "include" => {
                let name = self.expression()?;
                let is_missing_ignored = self.is_name("ignore");
                if is_missing_ignored {
                    self.next();
                    self.expect_name("missing")?;
                }
                let with_context = self.context(true)?;
                Node::Include {
                    name,
                    is_missing_ignored,
                    with_context,
                }
            }
            "extends" => Node::Extends(self.expression()?),
            "block" => self.block()?,
            "break" => Node::Break,
            "continue" => Node::Continue,
            _ => return Err(Fault::syntax(format!("Encountered unknown tag '{tag}'."))),
        };
        self.block_end()?;
        Ok(node)
    }

    fn conditional(&mut self) -> Result<Node> {
        let mut branches = Vec::new();
        loop {
            let condition = self.tuple(false)?;
            self.block_end()?;
            let body = self.body(&["elif", "else", "endif"])?;
            branches.push((condition, body));
            let tag = self.name()?;
            if &*tag == "elif" {
                continue;
            }
            let mut otherwise = Vec::new();
            if &*tag == "else" {
                otherwise = self.body_until("endif")?;
            }
            self.block_end()?;
            return Ok(Node::If(branches, otherwise));
        }
    }

    fn for_loop(&mut self) -> Result<Node> {
        let target = self.target()?;
        self.expect_name("in")?;
        let iter = self.tuple(false)?;
        let filter = if self.skip_name("if") {
            Some(self.expression()?)
        } else {
            None
        };
        let is_recursive = self.skip_name("recursive");
        self.block_end()?;
        let body = self.body(&["else", "endfor"])?;
        let mut otherwise = Vec::new();
        if &*self.name()? == "else" {
            otherwise = self.body_until("endfor")?;
        }
        self.block_end()?;
        Ok(Node::For(Rc::new(ForNode {
            target,
            iter,
            filter,
            body,
            otherwise,
            is_recursive,
        })))
    }

    fn set(&mut self) -> Result<Node> {
        let target = if matches!(self.peek_next(), Token::Symbol(".")) {
            let namespace = self.name()?;
            self.next();
            Target::Attribute(namespace, self.name()?)
        } else {
            self.target()?
        };
        if self.skip_symbol("=") {
            return Ok(Node::Set(target, self.tuple(true)?));
        }
        let filter = self.filters(Expr::Captured, false)?;
        Ok(Node::SetBlock(target, filter, self.body_until("endset")?))
    }

    fn with(&mut self) -> Result<Node> {
        let mut values = Vec::new();
        while *self.peek() != Token::BlockEnd {
            if !values.is_empty() {
                self.expect_symbol(",")?;
            }
            let target = Target::Name(self.name()?);
            self.expect_symbol("=")?;
            values.push((target, self.expression()?));
        }
        Ok(Node::With(values, self.body_until("endwith")?))
    }

    /// A name, or names with commas between them, with or without parentheses.
    fn target(&mut self) -> Result<Target> {
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            if self.is_name("in")
                || *self.peek() == Token::BlockEnd
                || self.is_symbol(")")
                || self.is_symbol("=")
            {
                break;
            }
            targets.push(if self.skip_symbol("(") {
                let inner = self.deeper(|parser| parser.target())?;
                self.expect_symbol(")")?;
                inner
            } else {
                Target::Name(self.name()?)
            });
            if !self.skip_symbol(",") {
                break;
            }
            is_tuple = true;
        }
        match targets.pop() {
            Some(only) if targets.is_empty() && !is_tuple => Ok(only),
            Some(last) => {
                targets.push(last);
                Ok(Target::Tuple(targets))
            }
            None => Err(Fault::syntax(format!(
                "Expected an expression, got '{}'",
                describe(self.peek())
            ))),
        }
    }

    fn signature(&mut self) -> Result<Vec<(Rc<str>, Option<Expr>)>> {
        self.expect_symbol("(")?;
        let mut parameters: Vec<(Rc<str>, Option<Expr>)> = Vec::new();
        while !self.is_symbol(")") {
            if !parameters.is_empty() {
                self.expect_symbol(",")?;
                if self.is_symbol(")") {
                    break;
                }
            }
            let name = self.name()?;
            let default = if self.skip_symbol("=") {
                Some(self.expression()?)
            } else {
                None
            };
            if default.is_none()
                && parameters
                    .last()
                    .is_some_and(|(_, default)| default.is_some())
            {
                return Err(Fault::syntax(
                    "non-default argument follows default argument",
                ));
            }
            parameters.push((name, default));
        }
        self.expect_symbol(")")?;
        Ok(parameters)
    }

    fn macro_rest(&mut self, name: Rc<str>, end: &str) -> Result<Rc<MacroNode>> {
        let outer = self.takes;
        self.takes = Takes::default();
        let parameters = self.signature()?;
        let body = self.body_until(end)?;
        let takes = std::mem::replace(&mut self.takes, outer);
        Ok(Rc::new(MacroNode {
            name,
            file: self.file.clone(),
            parameters,
            body,
            takes,
        }))
    }

    /// `with context` or `without context`, if it stands here.
    fn context(&mut self, default: bool) -> Result<bool> {
        let with = self.is_name("with");
        if (with || self.is_name("without"))
            && matches!(self.peek_next(), Token::Name(name) if &**name == "context")
        {
            self.next();
            self.next();
            return Ok(with);
        }
        Ok(default)
    }

    fn import(&mut self) -> Result<(Expr, Rc<str>, bool)> {
        let template = self.expression()?;
        self.expect_name("as")?;
        let name = self.name()?;
        Ok((template, name, self.context(false)?))
    }

    fn import_names(&mut self) -> Result<Node> {
        let template = self.expression()?;
        self.expect_name("import")?;
        let mut names = Vec::new();
        while let Token::Name(_) = self.peek() {
            let is_context = self.is_name("with") || self.is_name("without");
            if is_context && matches!(self.peek_next(), Token::Name(next) if &**next == "context") {
                break;
            }
            let name = self.name()?;
            if name.starts_with('_') {
                return Err(Fault::syntax(
                    "names starting with an underline can not be imported",
                ));
            }
            let alias = if self.skip_name("as") {
                self.name()?
            } else {
                name.clone()
            };
            names.push((name, alias));
            if !self.skip_symbol(",") {
                break;
            }
        }
        if names.is_empty() {
            return Err(self.expected("token 'name'"));
        }
        Ok(Node::FromImport(template, names, self.context(false)?))
    }

    fn block(&mut self) -> Result<Node> {
        let name = self.name()?;
        let is_scoped = self.skip_name("scoped");
        let is_required = self.skip_name("required");
        if self.is_symbol("-") {
            return Err(Fault::syntax(
                "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.",
            ));
        }
        let body = self.body_until("endblock")?;
        self.skip_name(&name);
        let block = Rc::new(BlockNode {
            name: name.clone(),
            file: self.file.clone(),
            is_scoped,
            is_required,
            body,
        });
        if self.blocks.insert(name.clone(), block.clone()).is_some() {
            return Err(Fault::syntax(format!("block '{name}' defined twice")));
        }
        Ok(Node::Block(block))
    }
}

/// The filter that reads what an `import_…` or `load_…` tag takes in.
fn loader(tag: &str) -> &'static str {
    match tag {
        "import_yaml" | "load_yaml" => "load_yaml",
        "import_json" | "load_json" => "load_json",
        _ => "load_text",
    }
}

pub(super) fn describe(token: &Token) -> String {
    match token {
        Token::Text(_) => "template data / text".to_owned(),
        Token::VariableBegin => "begin of print statement".to_owned(),
        Token::VariableEnd => "end of print statement".to_owned(),
        Token::BlockBegin => "begin of statement block".to_owned(),
        Token::BlockEnd => "end of statement block".to_owned(),
        Token::Name(name) => name.to_string(),
        Token::Str(text) => text.clone(),
        Token::Int(number) => number.to_string(),
        Token::Float(number) => number.to_string(),
        Token::Symbol(symbol) => (*symbol).to_owned(),
        Token::End => "end of template".to_owned(),
    }
}
