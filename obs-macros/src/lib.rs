//! The macros of `obs-runtime`, which re-exports them: name that crate, not this one.
#![deny(missing_docs)]

mod case;
mod diag;
mod helper;
mod krate;

mod carrier;
mod classify;
mod correlated;
mod label_set;
mod label_value;
mod metric_set;
mod observe;
mod observed;
mod record;
mod state_machine;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod snapshots;

use proc_macro::TokenStream;

#[doc = include_str!("../doc/observed.md")]
#[proc_macro_attribute]
pub fn observed(args: TokenStream, item: TokenStream) -> TokenStream {
    diag::attribute(args, item, observed::expand)
}

#[doc = include_str!("../doc/correlated.md")]
#[proc_macro_attribute]
pub fn correlated(args: TokenStream, item: TokenStream) -> TokenStream {
    diag::attribute(args, item, correlated::expand)
}

#[doc = include_str!("../doc/carrier.md")]
#[proc_macro_derive(Carrier, attributes(carrier))]
pub fn carrier(item: TokenStream) -> TokenStream {
    diag::derive(item, carrier::expand)
}

#[doc = include_str!("../doc/metric_set.md")]
#[proc_macro_derive(MetricSet, attributes(metric_set, metric))]
pub fn metric_set(item: TokenStream) -> TokenStream {
    diag::derive(item, metric_set::expand)
}

#[doc = include_str!("../doc/label_set.md")]
#[proc_macro_derive(LabelSet, attributes(label_set))]
pub fn label_set(item: TokenStream) -> TokenStream {
    diag::derive(item, label_set::expand)
}

#[doc = include_str!("../doc/label_value.md")]
#[proc_macro_derive(LabelValue, attributes(label))]
pub fn label_value(item: TokenStream) -> TokenStream {
    diag::derive(item, label_value::expand)
}

#[doc = include_str!("../doc/state_machine.md")]
#[proc_macro_derive(StateMachine, attributes(state_machine, initial, terminal, to))]
pub fn state_machine(item: TokenStream) -> TokenStream {
    diag::derive(item, state_machine::expand)
}

#[doc = include_str!("../doc/classify.md")]
#[proc_macro_derive(Classify, attributes(classify))]
pub fn classify(item: TokenStream) -> TokenStream {
    diag::derive(item, classify::expand)
}

/// What `obs_runtime::record!` hands on, with the path of the runtime in front.
#[doc(hidden)]
#[proc_macro]
pub fn __record(input: TokenStream) -> TokenStream {
    match record::expand(input.into()) {
        Ok(tokens) => tokens.into(),
        Err(err) => err.into_compile_error().into(),
    }
}

/// What `obs_runtime::observe!` hands on, with the path of the runtime in front.
#[doc(hidden)]
#[proc_macro]
pub fn __observe(input: TokenStream) -> TokenStream {
    match observe::expand(input.into()) {
        Ok(tokens) => tokens.into(),
        Err(err) => err.into_compile_error().into(),
    }
}
