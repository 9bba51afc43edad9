use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Expr, Fields, LitStr};

use super::{Field, Kind, Metric, MetricSet, naming};
use crate::case::unraw;
use crate::diag::{Diag, did_you_mean};
use crate::helper;

const KINDS: [(&str, Kind); 6] = [
    ("Counter", Kind::Counter),
    ("ObservedCounter", Kind::Counter),
    ("Gauge", Kind::Gauge),
    ("ObservedGauge", Kind::Gauge),
    ("Histogram", Kind::Histogram),
    ("Info", Kind::Info),
];

const OPTIONS: [&str; 7] = ["name", "buckets", "unit", "max_series", "ttl", "allow", "flatten"];

/// What `#[metric(…)]` says.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    buckets: Option<Expr>,
    unit: Option<LitStr>,
    max_series: Option<Expr>,
    ttl: Option<(LitStr, u64)>,
    allow_naming: bool,
    flatten: Option<syn::Path>,
}

pub(super) fn metric_set(item: TokenStream, diag: &mut Diag) -> Option<MetricSet> {
    let input: DeriveInput = diag.keep(syn::parse2(item))?;
    let (krate, prefix) = set_options(&input.attrs, diag);
    if !input.generics.params.is_empty() {
        diag.error(
            &input.generics,
            "a set of metrics takes no generic parameters: its names are those of one set; write a struct for each",
        );
        return None;
    }
    let Data::Struct(syn::DataStruct { fields: Fields::Named(fields), .. }) = input.data else {
        diag.error(&input.ident, "a set of metrics is a struct with named fields: the names are those of the metrics");
        return None;
    };
    let fields = fields.named.into_iter().filter_map(|field| self::field(field, prefix.as_ref(), diag)).collect();
    Some(MetricSet { krate, ident: input.ident, fields })
}

fn set_options(attrs: &[syn::Attribute], diag: &mut Diag) -> (Option<syn::Path>, Option<LitStr>) {
    let (mut krate, mut prefix) = (None, None);
    helper::options(attrs, "metric_set", &["prefix", "crate"], diag, |option, meta, _| {
        match option {
            "crate" => krate = Some(meta.value()?.parse()?),
            _ => prefix = Some(meta.value()?.parse()?),
        }
        Ok(())
    });
    (krate, prefix)
}

fn field(field: syn::Field, prefix: Option<&LitStr>, diag: &mut Diag) -> Option<Field> {
    let options = options(&field.attrs, diag);
    let ident = field.ident?;
    if let Some(flatten) = options.flatten {
        let others = [
            options.name.is_some(),
            options.buckets.is_some(),
            options.unit.is_some(),
            options.max_series.is_some(),
            options.ttl.is_some(),
        ];
        if others.contains(&true) {
            diag.error(flatten, "a nested set has options of its own; `flatten` stands alone");
        }
        return Some(Field::Flatten { ident, ty: Box::new(field.ty) });
    }
    let kind = kind(&field.ty, diag)?;
    let observed = matches!(&field.ty, syn::Type::Path(path)
        if path.path.segments.last().is_some_and(|word| word.ident.to_string().starts_with("Observed")));
    let help = help(&field.attrs);
    if help.is_empty() {
        diag.error(&ident, format!("`{ident}` needs a doc comment: it is the HELP text of the metric"));
    }
    let name = match (&options.name, prefix) {
        (Some(name), _) => name.value(),
        (None, Some(prefix)) => format!("{}_{}", prefix.value(), unraw(&ident)),
        (None, None) => unraw(&ident),
    };
    let unit = options.unit.as_ref().map(LitStr::value).or_else(|| naming::unit(&name).map(str::to_owned));
    Some(Field::Metric(Box::new(Metric {
        ident,
        ty: field.ty,
        kind,
        name,
        help,
        unit,
        unit_given: options.unit,
        buckets: options.buckets,
        max_series: options.max_series,
        ttl: options.ttl,
        observed,
        allow_naming: options.allow_naming,
    })))
}

/// The kind, by the last word of the type: an alias of one cannot be seen through.
fn kind(ty: &syn::Type, diag: &mut Diag) -> Option<Kind> {
    let word = match ty {
        syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    };
    let kind = KINDS.iter().find(|(name, _)| Some(*name) == word.as_deref()).map(|(_, kind)| *kind);
    if kind.is_none() {
        let hint = did_you_mean(&word.unwrap_or_default(), KINDS.map(|(name, _)| name));
        let message = if hint.is_empty() {
            "not a metric; write `Counter`, `Gauge`, `Histogram`, `Info`, `ObservedCounter` or `ObservedGauge`, or \
             `#[metric(flatten)]` over a nested set"
                .to_owned()
        } else {
            format!("not a metric{hint}")
        };
        diag.error(ty, message);
    }
    kind
}

/// The first paragraph of the doc comment, on one line.
fn help(attrs: &[syn::Attribute]) -> String {
    let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
        syn::Meta::NameValue(syn::MetaNameValue {
            value: Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
            ..
        }) => Some(text.value()),
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let paragraph = text.lines().map(str::trim).skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    paragraph.collect::<Vec<_>>().join(" ")
}

fn options(attrs: &[syn::Attribute], diag: &mut Diag) -> Options {
    let mut options = Options::default();
    helper::options(attrs, "metric", &OPTIONS, diag, |option, meta, diag| {
        match option {
            "name" => options.name = Some(meta.value()?.parse()?),
            "buckets" => options.buckets = Some(meta.value()?.parse()?),
            "unit" => options.unit = Some(meta.value()?.parse()?),
            "max_series" => options.max_series = Some(meta.value()?.parse()?),
            "ttl" => {
                let text: LitStr = meta.value()?.parse()?;
                match duration(&text.value()) {
                    Some(nanos) => options.ttl = Some((text, nanos)),
                    None => {
                        let message = format!("`{}` is no duration; write a number and a unit: `10m`", text.value());
                        diag.error(&text, message);
                    }
                }
            }
            "flatten" => options.flatten = Some(meta.path.clone()),
            _ => meta.parse_nested_meta(|allowed| {
                if allowed.path.is_ident("naming") {
                    options.allow_naming = true;
                    return Ok(());
                }
                Err(allowed.error("only `naming` can be allowed; write `allow(naming)`"))
            })?,
        }
        Ok(())
    });
    options
}

/// Nanoseconds of `250ms`, `10m`.
fn duration(text: &str) -> Option<u64> {
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|nanos| *nanos != 0)
}
