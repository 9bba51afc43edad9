//! From the text of a query to the selectors in it, each with what the query does around it.

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::token::{T_BOTTOMK, T_COUNT_VALUES, T_LIMIT_RATIO, T_LIMITK, T_LOR, T_TOPK};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector, parse,
};

use super::rules::{Matcher, Use};

/// What is wrong with a query whatever metrics there are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misread {
    /// It is no PromQL.
    Syntax(String),
    /// A selector that does not say one name.
    Nameless(String),
    /// A label is asked for above an expression that does not keep it.
    Lost {
        /// The label.
        label: String,
        /// The expression.
        within: String,
    },
}

/// Calls `each` with every selector of `query`. `wanted` are the labels that its result must have, since a legend or the text of an
/// alert names them. Variables of Grafana that stand for a duration are read as one.
pub fn read(query: &str, wanted: &[&str], each: &mut dyn FnMut(&Use<'_>)) -> Vec<Misread> {
    let expr = match parse(&without_variables(query)) {
        Ok(expr) => expr,
        Err(reason) => return vec![Misread::Syntax(reason.split_whitespace().collect::<Vec<_>>().join(" "))],
    };
    let mut reader = Reader { each, misread: Vec::new() };
    reader.expr(&expr, &Around { wanted: wanted.to_vec(), range: None, quantile: false });
    reader.misread
}

fn without_variables(query: &str) -> String {
    ["$__rate_interval", "${__rate_interval}", "$__interval", "${__interval}", "$__range", "${__range}"]
        .iter()
        .fold(query.to_owned(), |query, variable| query.replace(variable, "5m"))
}

/// What stands around an expression.
#[derive(Clone)]
struct Around<'a> {
    wanted: Vec<&'a str>,
    range: Option<&'static str>,
    quantile: bool,
}

impl<'a> Around<'a> {
    /// The same where these labels are wanted.
    fn wanting(&self, wanted: Vec<&'a str>) -> Self {
        Around { wanted, ..self.clone() }
    }

    /// What is wanted and not in `without`, with all of `with`.
    fn but(&self, without: &[String], with: &'a [String]) -> Self {
        let mut wanted: Vec<_> = self.wanted.iter().copied().filter(|label| !has(without, label)).collect();
        for label in with {
            if !wanted.contains(&label.as_str()) {
                wanted.push(label);
            }
        }
        self.wanting(wanted)
    }
}

struct Reader<'f> {
    each: &'f mut dyn FnMut(&Use<'_>),
    misread: Vec<Misread>,
}

impl Reader<'_> {
    fn expr(&mut self, expr: &Expr, around: &Around<'_>) {
        match expr {
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, around),
            Expr::Binary(binary) => self.binary(binary, around),
            Expr::Call(call) => self.call(call, around),
            Expr::Paren(paren) => self.expr(&paren.expr, around),
            Expr::Unary(unary) => self.expr(&unary.expr, around),
            Expr::Subquery(subquery) => self.expr(&subquery.expr, around),
            Expr::VectorSelector(selector) => self.selector(selector, around),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs, around),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    /// Tells of every wanted label that `keeps` does not keep.
    fn lose(&mut self, around: &Around<'_>, within: &dyn std::fmt::Display, keeps: impl Fn(&str) -> bool) {
        for label in around.wanted.iter().filter(|label| !keeps(label)) {
            self.misread.push(Misread::Lost { label: (*label).to_owned(), within: within.to_string() });
        }
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr, around: &Around<'_>) {
        let op = aggregate.op.id();
        // These choose among series and leave their labels alone.
        let chooses = [T_TOPK, T_BOTTOMK, T_LIMITK, T_LIMIT_RATIO].contains(&op);
        let mut around = around.clone();
        if let (true, Some(param)) = (op == T_COUNT_VALUES, aggregate.param.as_deref()) {
            around = around.but(&text(param).into_iter().collect::<Vec<_>>(), &[]);
        }
        let inner = match &aggregate.modifier {
            Some(LabelModifier::Include(by)) if chooses => around.but(&[], &by.labels),
            Some(LabelModifier::Include(by)) => {
                self.lose(&around, aggregate, |label| has(&by.labels, label));
                around.wanting(by.labels.iter().map(String::as_str).collect())
            }
            Some(LabelModifier::Exclude(without)) => {
                self.lose(&around, aggregate, |label| !has(&without.labels, label));
                around.but(&[], &without.labels)
            }
            None if chooses => around,
            None => {
                self.lose(&around, aggregate, |_| false);
                around.wanting(Vec::new())
            }
        };
        self.expr(&aggregate.expr, &inner);
    }

    fn binary(&mut self, binary: &BinaryExpr, around: &Around<'_>) {
        let Some(modifier) = &binary.modifier else {
            // `and` and `unless` keep the left side alone.
            let either = !binary.op.is_set_operator() || binary.op.id() == T_LOR;
            self.expr(&binary.lhs, around);
            self.expr(&binary.rhs, &if either { around.clone() } else { around.wanting(Vec::new()) });
            return;
        };
        let none = Vec::new();
        let (on, ignoring) = match &modifier.matching {
            Some(LabelModifier::Include(labels)) => (&labels.labels, &none),
            Some(LabelModifier::Exclude(labels)) => (&none, &labels.labels),
            None => (&none, &none),
        };
        let (lhs, rhs) = match &modifier.card {
            VectorMatchCardinality::OneToOne => {
                if modifier.is_matching_on() {
                    self.lose(around, binary, |label| has(on, label));
                    (around.but(&[], on), around.but(&[], on))
                } else {
                    self.lose(around, binary, |label| !has(ignoring, label));
                    (around.but(ignoring, &[]), around.but(ignoring, &[]))
                }
            }
            VectorMatchCardinality::ManyToOne(extra) => {
                let one = around.wanting(extra.labels.iter().map(String::as_str).collect());
                (around.but(&extra.labels, on), one.but(&[], on))
            }
            VectorMatchCardinality::OneToMany(extra) => {
                let one = around.wanting(extra.labels.iter().map(String::as_str).collect());
                (one.but(&[], on), around.but(&extra.labels, on))
            }
            VectorMatchCardinality::ManyToMany => {
                let right = if binary.op.id() == T_LOR { around.clone() } else { around.wanting(Vec::new()) };
                (around.but(&[], on), right.but(&[], on))
            }
        };
        self.expr(&binary.lhs, &lhs);
        self.expr(&binary.rhs, &rhs);
    }

    fn call(&mut self, call: &Call, around: &Around<'_>) {
        let args = &call.args.args;
        let texts: Vec<String> = args.iter().filter_map(|arg| text(arg)).collect();
        let nothing = around.wanting(Vec::new());
        match (call.func.name, args.as_slice()) {
            ("histogram_quantile", [_, buckets]) => {
                self.lose(around, call, |label| label != "le");
                let mut wanted = around.wanted.clone();
                wanted.push("le");
                self.expr(buckets, &Around { wanted, range: None, quantile: true });
            }
            ("label_replace", [vector, ..]) => {
                let (to, from) = (texts.first(), texts.get(2).filter(|from| !from.is_empty()));
                self.expr(
                    vector,
                    &around.but(to.map_or(&[], std::slice::from_ref), from.map_or(&[], std::slice::from_ref)),
                );
            }
            ("label_join", [vector, ..]) => {
                let (to, from) = (texts.first(), texts.get(2..).unwrap_or_default());
                self.expr(vector, &around.but(to.map_or(&[], std::slice::from_ref), from));
            }
            ("absent" | "absent_over_time" | "scalar" | "vector", [arg]) => self.expr(arg, &nothing),
            (name, args) => {
                for (arg, kind) in args.iter().zip(call.func.arg_types.iter().cycle()) {
                    match kind {
                        ValueType::Matrix => self.expr(arg, &Around { range: Some(name), ..around.clone() }),
                        ValueType::Vector => self.expr(arg, around),
                        ValueType::Scalar | ValueType::String => self.expr(arg, &nothing),
                    }
                }
            }
        }
    }

    fn selector(&mut self, selector: &VectorSelector, around: &Around<'_>) {
        let Matchers { matchers, or_matchers } = &selector.matchers;
        let all = || matchers.iter().chain(or_matchers.iter().flatten());
        let by_label = || all().find(|matcher| matcher.name == "__name__" && matches!(matcher.op, MatchOp::Equal));
        let Some(name) = selector.name.as_deref().or_else(|| by_label().map(|matcher| matcher.value.as_str())) else {
            self.misread.push(Misread::Nameless(selector.to_string()));
            return;
        };
        let values: Vec<Vec<&str>> = all().map(|matcher| values(&matcher.op, &matcher.value)).collect();
        let matchers: Vec<_> = all()
            .zip(&values)
            .map(|(matcher, values)| Matcher {
                label: &matcher.name,
                values,
                literal: matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual),
            })
            .collect();
        let Around { wanted, range, quantile } = around;
        (self.each)(&Use { name, matchers: &matchers, wanted, range: *range, quantile: *quantile });
    }
}

fn has(labels: &[String], label: &str) -> bool {
    labels.iter().any(|has| has == label)
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::StringLiteral(literal) => Some(literal.val.clone()),
        _ => None,
    }
}

/// The texts that a matcher names, as far as the rules can read them: a variable of Grafana is none.
fn values<'a>(op: &MatchOp, value: &'a str) -> Vec<&'a str> {
    if value.contains('$') {
        return Vec::new();
    }
    match op {
        MatchOp::Equal | MatchOp::NotEqual => vec![value],
        MatchOp::Re(_) | MatchOp::NotRe(_) => {
            let alternatives: Vec<_> = value.split('|').collect();
            if alternatives.iter().all(|part| is_plain(part)) { alternatives } else { Vec::new() }
        }
    }
}

/// Whether the rules understand this part of a regular expression.
fn is_plain(part: &str) -> bool {
    let stem = part.strip_suffix(".*").or_else(|| part.strip_suffix(".+")).unwrap_or(part);
    !stem.contains(['*', '+', '?', '(', ')', '[', ']', '{', '}', '^', '\\'])
}
