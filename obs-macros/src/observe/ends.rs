//! How a block ends, as far as its tokens say: by a `break` out of it, or never.

use syn::visit::Visit;
use syn::{Block, Expr, ExprBreak, ExprContinue, ExprLoop, Lifetime, Macro, Stmt};

/// The first `break` or `continue` that would leave the block, which a closure cannot.
pub(super) fn leaves(block: &Block) -> Option<Leaving> {
    let mut leaves = Leaves::default();
    leaves.visit_block(block);
    leaves.found
}

pub(super) enum Leaving {
    Break(ExprBreak),
    Continue(ExprContinue),
}

#[derive(Default)]
struct Leaves {
    /// How many loops of the block's own are around.
    loops: usize,
    labels: Vec<Lifetime>,
    found: Option<Leaving>,
}

impl Leaves {
    fn stays(&self, label: Option<&Lifetime>) -> bool {
        match label {
            Some(label) => self.labels.contains(label),
            None => self.loops > 0,
        }
    }

    fn within(&mut self, is_loop: bool, label: Option<&syn::Label>, visit: impl FnOnce(&mut Self)) {
        self.loops += usize::from(is_loop);
        self.labels.extend(label.map(|label| label.name.clone()));
        visit(self);
        self.loops -= usize::from(is_loop);
        if label.is_some() {
            self.labels.pop();
        }
    }
}

impl<'ast> Visit<'ast> for Leaves {
    fn visit_expr_loop(&mut self, expr: &'ast ExprLoop) {
        self.within(true, expr.label.as_ref(), |this| syn::visit::visit_expr_loop(this, expr));
    }
    fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
        self.within(true, expr.label.as_ref(), |this| syn::visit::visit_expr_while(this, expr));
    }
    fn visit_expr_for_loop(&mut self, expr: &'ast syn::ExprForLoop) {
        self.within(true, expr.label.as_ref(), |this| syn::visit::visit_expr_for_loop(this, expr));
    }
    fn visit_expr_block(&mut self, expr: &'ast syn::ExprBlock) {
        self.within(false, expr.label.as_ref(), |this| syn::visit::visit_expr_block(this, expr));
    }
    fn visit_expr_break(&mut self, expr: &'ast ExprBreak) {
        if self.found.is_none() && !self.stays(expr.label.as_ref()) {
            self.found = Some(Leaving::Break(expr.clone()));
        }
        syn::visit::visit_expr_break(self, expr);
    }
    fn visit_expr_continue(&mut self, expr: &'ast ExprContinue) {
        if self.found.is_none() && !self.stays(expr.label.as_ref()) {
            self.found = Some(Leaving::Continue(expr.clone()));
        }
    }
    // What stands in these leaves them, and not the block.
    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

/// Whether nothing comes out of the block, so that there is no value to judge and no type to judge it by.
pub(super) fn never(block: &Block) -> bool {
    let mut returns = Returns(false);
    returns.visit_block(block);
    !returns.0 && block_never_ends(block)
}

/// Whether anything else than the end of the block gives it a value.
struct Returns(bool);

impl<'ast> Visit<'ast> for Returns {
    fn visit_expr_return(&mut self, _: &'ast syn::ExprReturn) {
        self.0 = true;
    }
    fn visit_expr_try(&mut self, _: &'ast syn::ExprTry) {
        self.0 = true;
    }
    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

fn block_never_ends(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(expr, _)) => never_ends(expr),
        Some(Stmt::Macro(stmt)) => diverges(&stmt.mac),
        _ => false,
    }
}

fn never_ends(expr: &Expr) -> bool {
    match expr {
        Expr::Macro(expr) => diverges(&expr.mac),
        Expr::Block(expr) => expr.label.is_none() && block_never_ends(&expr.block),
        Expr::Unsafe(expr) => block_never_ends(&expr.block),
        Expr::Paren(expr) => never_ends(&expr.expr),
        Expr::Group(expr) => never_ends(&expr.expr),
        Expr::Loop(expr) => !is_broken(expr),
        Expr::If(expr) => {
            block_never_ends(&expr.then_branch) && expr.else_branch.as_ref().is_some_and(|(_, other)| never_ends(other))
        }
        Expr::Match(expr) => !expr.arms.is_empty() && expr.arms.iter().all(|arm| never_ends(&arm.body)),
        Expr::Call(expr) => match &*expr.func {
            Expr::Path(path) => {
                let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
                let (name, parent) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
                matches!((&*parent, &*name), ("process", "exit" | "abort") | ("panic", "resume_unwind"))
            }
            _ => false,
        },
        _ => false,
    }
}

fn diverges(mac: &Macro) -> bool {
    let name = mac.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    matches!(&*name, "panic" | "todo" | "unimplemented" | "unreachable")
}

/// Whether a `break` ends this very loop.
fn is_broken(expr: &ExprLoop) -> bool {
    struct Broken<'l> {
        label: Option<&'l Lifetime>,
        loops: usize,
        found: bool,
    }
    impl Broken<'_> {
        fn deeper(&mut self, visit: impl FnOnce(&mut Self)) {
            self.loops += 1;
            visit(self);
            self.loops -= 1;
        }
    }
    impl<'ast> Visit<'ast> for Broken<'_> {
        fn visit_expr_break(&mut self, expr: &'ast ExprBreak) {
            self.found |= match &expr.label {
                Some(label) => Some(label) == self.label,
                None => self.loops == 0,
            };
            syn::visit::visit_expr_break(self, expr);
        }
        fn visit_expr_loop(&mut self, expr: &'ast ExprLoop) {
            self.deeper(|this| syn::visit::visit_expr_loop(this, expr));
        }
        fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
            self.deeper(|this| syn::visit::visit_expr_while(this, expr));
        }
        fn visit_expr_for_loop(&mut self, expr: &'ast syn::ExprForLoop) {
            self.deeper(|this| syn::visit::visit_expr_for_loop(this, expr));
        }
        fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
        fn visit_item(&mut self, _: &'ast syn::Item) {}
    }
    let mut broken = Broken { label: expr.label.as_ref().map(|label| &label.name), loops: 0, found: false };
    broken.visit_block(&expr.body);
    broken.found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<R>(ask: impl Fn(&Block) -> R, text: &str) -> R {
        ask(&syn::parse_str(text).expect("a block"))
    }

    #[test]
    fn only_a_break_of_the_blocks_own_loops_stays_in_it() {
        for stays in ["{ loop { break } }", "{ 'a: for _ in 0..1 { loop { break 'a } } }", "{ 'a: { break 'a } }"] {
            assert!(of(leaves, stays).is_none(), "{stays}");
        }
        assert!(of(leaves, "{ let f = || loop { break }; async { loop { continue } }; }").is_none());
        for leaving in ["{ break }", "{ if x { continue } }", "{ loop { break 'outer } }", "{ 'a: { break } }"] {
            assert!(of(leaves, leaving).is_some(), "{leaving}");
        }
    }

    #[test]
    fn a_block_without_an_end_is_known_by_its_last_words() {
        for without in [
            "{ panic!() }",
            "{ f(); todo!(); }",
            "{ loop {} }",
            "{ std::process::exit(1) }",
            "{ if x { panic!() } else { unreachable!() } }",
            "{ match x { A => panic!(), B => { unimplemented!() } } }",
            "{ loop { loop { break } } }",
        ] {
            assert!(of(never, without), "{without}");
        }
        for with in ["{}", "{ 1 }", "{ panic!(); 1 }", "{ loop { break 1 } }", "{ if x { return 1 } panic!() }"] {
            assert!(!of(never, with), "{with}");
        }
        assert!(!of(never, "{ f()?; panic!() }"));
    }
}
