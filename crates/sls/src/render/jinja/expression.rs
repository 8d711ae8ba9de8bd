//! Reads the expressions of a template, in Jinja's order of operators.

use std::rc::Rc;

use super::fault::{Fault, Result};
use super::lexer::Token;
use super::parser::{Parser, describe};
use super::syntax::{Arguments, Binary, Comparison, Expr};

impl Parser {
    /// An expression, or several with commas between them, which make a tuple.
    pub(super) fn tuple(&mut self, with_condition: bool) -> Result<Expr> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if self.ends_tuple() {
                break;
            }
            items.push(if with_condition {
                self.expression()?
            } else {
                self.deeper(Parser::or)?
            });
            if !self.skip_symbol(",") {
                break;
            }
            is_tuple = true;
        }
        match items.pop() {
            Some(only) if !is_tuple => Ok(only),
            Some(last) => {
                items.push(last);
                Ok(Expr::Tuple(items))
            }
            None => Err(Fault::syntax(format!(
                "Expected an expression, got '{}'",
                describe(self.peek())
            ))),
        }
    }

    fn ends_tuple(&self) -> bool {
        matches!(
            self.peek(),
            Token::VariableEnd | Token::BlockEnd | Token::Symbol(")")
        )
    }

    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.deeper(|parser| {
            let mut value = parser.or()?;
            while parser.skip_name("if") {
                let condition = parser.or()?;
                let otherwise = if parser.skip_name("else") {
                    Some(Box::new(parser.expression()?))
                } else {
                    None
                };
                value = Expr::If(Box::new(condition), Box::new(value), otherwise);
            }
            Ok(value)
        })
    }

    fn or(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        if self.skip_name("not") {
            let operand = self.deeper(Parser::not)?;
            return Ok(Expr::Not(Box::new(operand)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let operator = match self.peek() {
                Token::Symbol("==") => Comparison::Equal,
                Token::Symbol("!=") => Comparison::NotEqual,
                Token::Symbol("<") => Comparison::Less,
                Token::Symbol("<=") => Comparison::LessEqual,
                Token::Symbol(">") => Comparison::Greater,
                Token::Symbol(">=") => Comparison::GreaterEqual,
                Token::Name(name) if &**name == "in" => Comparison::In,
                Token::Name(name) if &**name == "not" => {
                    if !matches!(self.peek_next(), Token::Name(next) if &**next == "in") {
                        break;
                    }
                    self.next();
                    Comparison::NotIn
                }
                _ => break,
            };
            self.next();
            rest.push((operator, self.sum()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expr::Compare(Box::new(first), rest))
    }

    fn sum(&mut self) -> Result<Expr> {
        let mut left = self.concat()?;
        loop {
            let operator = match self.peek() {
                Token::Symbol("+") => Binary::Add,
                Token::Symbol("-") => Binary::Sub,
                _ => return Ok(left),
            };
            self.next();
            left = Expr::Binary(operator, Box::new(left), Box::new(self.concat()?));
        }
    }

    fn concat(&mut self) -> Result<Expr> {
        let first = self.product()?;
        if !self.is_symbol("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_symbol("~") {
            parts.push(self.product()?);
        }
        Ok(Expr::Concat(parts))
    }

    fn product(&mut self) -> Result<Expr> {
        let mut left = self.power()?;
        loop {
            let operator = match self.peek() {
                Token::Symbol("*") => Binary::Mul,
                Token::Symbol("/") => Binary::Div,
                Token::Symbol("//") => Binary::FloorDiv,
                Token::Symbol("%") => Binary::Rem,
                _ => return Ok(left),
            };
            self.next();
            left = Expr::Binary(operator, Box::new(left), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Result<Expr> {
        let mut left = self.unary(true)?;
        while self.skip_symbol("**") {
            left = Expr::Binary(Binary::Pow, Box::new(left), Box::new(self.unary(true)?));
        }
        Ok(left)
    }

    fn unary(&mut self, with_filters: bool) -> Result<Expr> {
        let node = if self.skip_symbol("-") {
            Expr::Negative(Box::new(self.deeper(|parser| parser.unary(false))?))
        } else if self.skip_symbol("+") {
            Expr::Positive(Box::new(self.deeper(|parser| parser.unary(false))?))
        } else {
            self.primary()?
        };
        let node = self.postfix(node)?;
        if with_filters {
            self.filters_and_tests(node)
        } else {
            Ok(node)
        }
    }

    fn primary(&mut self) -> Result<Expr> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.next();
                match &*name {
                    "varargs" => self.takes.varargs = true,
                    "kwargs" => self.takes.kwargs = true,
                    "caller" => self.takes.caller = true,
                    _ => {}
                }
                Ok(match &*name {
                    "true" | "True" => Expr::Bool(true),
                    "false" | "False" => Expr::Bool(false),
                    "none" | "None" => Expr::None,
                    _ => Expr::Name(name),
                })
            }
            Token::Str(mut text) => {
                self.next();
                while let Token::Str(more) = self.peek() {
                    text.push_str(more);
                    self.next();
                }
                Ok(Expr::Str(text.into()))
            }
            Token::Int(number) => {
                self.next();
                Ok(Expr::Int(number))
            }
            Token::Float(number) => {
                self.next();
                Ok(Expr::Float(number))
            }
            Token::Symbol("(") => {
                self.next();
                if self.skip_symbol(")") {
                    return Ok(Expr::Tuple(Vec::new()));
                }
                let inner = self.deeper(|parser| parser.tuple(true))?;
                self.expect_symbol(")")?;
                Ok(inner)
            }
            Token::Symbol("[") => {
                self.next();
                Ok(Expr::List(self.items("]", Parser::expression)?))
            }
            Token::Symbol("{") => {
                self.next();
                Ok(Expr::Dict(self.items("}", |parser| {
                    let key = parser.expression()?;
                    parser.expect_symbol(":")?;
                    Ok((key, parser.expression()?))
                })?))
            }
            token => Err(Fault::syntax(format!("unexpected '{}'", describe(&token)))),
        }
    }

    /// What stands between commas up to a closing symbol, which is taken.
    fn items<T>(&mut self, close: &str, item: impl Fn(&mut Parser) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while !self.is_symbol(close) {
            if !items.is_empty() {
                self.expect_symbol(",")?;
                if self.is_symbol(close) {
                    break;
                }
            }
            items.push(item(self)?);
        }
        self.expect_symbol(close)?;
        Ok(items)
    }

    fn postfix(&mut self, mut node: Expr) -> Result<Expr> {
        loop {
            if self.skip_symbol(".") {
                node = match self.next() {
                    Token::Name(name) => Expr::Attribute(Box::new(node), name),
                    Token::Int(index) => Expr::Item(Box::new(node), Box::new(Expr::Int(index))),
                    _ => return Err(Fault::syntax("expected name or number")),
                };
            } else if self.skip_symbol("[") {
                node = self.subscript(node)?;
            } else if self.is_symbol("(") {
                node = Expr::Call(Box::new(node), Box::new(self.arguments()?));
            } else {
                return Ok(node);
            }
        }
    }

    fn subscript(&mut self, node: Expr) -> Result<Expr> {
        let mut parts = [None, None, None];
        let mut index = 0;
        let mut is_slice = false;
        while !self.is_symbol("]") {
            if self.skip_symbol(":") {
                is_slice = true;
                index += 1;
                if index > 2 {
                    return Err(self.expected("token ']'"));
                }
                continue;
            }
            if parts[index].is_some() {
                return Err(self.expected("token ']'"));
            }
            parts[index] = Some(self.expression()?);
        }
        self.expect_symbol("]")?;
        if is_slice {
            return Ok(Expr::Slice(Box::new(node), Box::new(parts)));
        }
        match parts {
            [Some(key), ..] => Ok(Expr::Item(Box::new(node), Box::new(key))),
            _ => Err(Fault::syntax("expected subscript expression")),
        }
    }

    fn arguments(&mut self) -> Result<Arguments> {
        self.expect_symbol("(")?;
        let mut arguments = Arguments::default();
        let mut is_first = true;
        while !self.is_symbol(")") {
            if !is_first {
                self.expect_symbol(",")?;
                if self.is_symbol(")") {
                    break;
                }
            }
            is_first = false;
            let is_out_of_order = arguments.double_star.is_some();
            if self.skip_symbol("**") {
                arguments.double_star = Some(self.expression()?);
            } else if self.skip_symbol("*") {
                arguments.star = Some(self.expression()?);
            } else if let Token::Name(name) = self.peek().clone()
                && matches!(self.peek_next(), Token::Symbol("="))
            {
                self.next();
                self.next();
                arguments.named.push((name, self.expression()?));
                continue;
            } else {
                if is_out_of_order || arguments.star.is_some() || !arguments.named.is_empty() {
                    return Err(Fault::syntax("invalid syntax for function call expression"));
                }
                arguments.positional.push(self.expression()?);
                continue;
            }
            if is_out_of_order {
                return Err(Fault::syntax("invalid syntax for function call expression"));
            }
        }
        self.expect_symbol(")")?;
        Ok(arguments)
    }

    fn dotted_name(&mut self) -> Result<Rc<str>> {
        let mut name = self.name()?.to_string();
        while self.skip_symbol(".") {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(name.into())
    }

    /// `| name(…)` any number of times; the first bar is missing in `{% filter name %}`.
    pub(super) fn filters(&mut self, mut node: Expr, is_begun: bool) -> Result<Expr> {
        let mut is_begun = is_begun;
        while is_begun || self.skip_symbol("|") {
            is_begun = false;
            let name = self.dotted_name()?;
            let arguments = if self.is_symbol("(") {
                self.arguments()?
            } else {
                Arguments::default()
            };
            node = Expr::Filter(Box::new(node), name, Box::new(arguments));
        }
        Ok(node)
    }

    fn filters_and_tests(&mut self, mut node: Expr) -> Result<Expr> {
        loop {
            if self.is_symbol("|") {
                node = self.filters(node, false)?;
            } else if self.skip_name("is") {
                node = self.test(node)?;
            } else if self.is_symbol("(") {
                node = Expr::Call(Box::new(node), Box::new(self.arguments()?));
            } else {
                return Ok(node);
            }
        }
    }

    fn test(&mut self, node: Expr) -> Result<Expr> {
        let is_negated = self.skip_name("not");
        let name = self.dotted_name()?;
        let begins_argument = match self.peek() {
            Token::Name(next) => !matches!(
                &**next,
                "else" | "or" | "and" | "if" | "is" | "in" | "not" | "recursive"
            ),
            Token::Str(_) | Token::Int(_) | Token::Float(_) => true,
            Token::Symbol(symbol) => matches!(*symbol, "[" | "{"),
            _ => false,
        };
        let arguments = if self.is_symbol("(") {
            self.arguments()?
        } else if begins_argument {
            let argument = self.primary()?;
            Arguments {
                positional: vec![self.postfix(argument)?],
                ..Arguments::default()
            }
        } else {
            Arguments::default()
        };
        let test = Expr::Test(Box::new(node), name, Box::new(arguments));
        Ok(if is_negated {
            Expr::Not(Box::new(test))
        } else {
            test
        })
    }
}
