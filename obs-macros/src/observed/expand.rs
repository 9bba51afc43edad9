//! Model to tokens. Nothing here can fail.
//!
//! The body goes into one closure or one `async move` block, and everything else is a call into the runtime. Why each
//! piece is there stands beside it; the order of the statements is the order in which arguments are dropped.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ReturnType, Type};

use super::arguments::{Arguments, arguments};
use super::func::recorded;
use super::shape::{self, Shape};
use super::{CLOSING_FIELDS, ErrorEvent, Field, Form, Func, Observed, Value};
use crate::krate;

/// The const item that `record!` looks for. It is an item because items are seen through closures and nested blocks,
/// and its name is what the compiler says where there is none.
pub(crate) const DECLARED: &str = "__OBS_RECORD_NEEDS_AN_OBSERVED_FN";

pub(super) fn observed(observed: &Observed) -> TokenStream {
    let Some(body) = &observed.func.body else { return observed.func.to_token_stream() };
    Expansion::new(observed, body).finish()
}

/// The function as it was. What its body records counts as declared, so that one mistake is one error.
pub(super) fn unobserved(observed: &Observed) -> TokenStream {
    let mut func = observed.func.clone();
    func.attrs.retain(|attr| !super::is_observed(attr));
    // What the attribute would have recorded is not unused.
    func.attrs.push(syn::parse_quote!(#[allow(unused_variables)]));
    let mut names = recorded(func.body.as_ref());
    names.extend(observed.args.fields.iter().map(Field::key));
    if let Some(body) = &mut func.body {
        let rt = runtime(observed);
        let declared = Ident::new(DECLARED, Span::call_site());
        let (inner, inside) = inner_attributes(body.stream());
        let resolved = resolved(observed);
        *body = braces(
            body.span(),
            quote! {
                #inner
                #resolved
                #[allow(dead_code)]
                const #declared: #rt::Declared =
                    #rt::Declared { names: &[#(#names),*], callsite: || ::core::unreachable!() };
                #inside
            },
        );
    }
    func.into_token_stream()
}

fn runtime(observed: &Observed) -> TokenStream {
    let krate = krate::path(observed.args.krate.as_ref());
    quote_spanned!(Span::mixed_site()=> #krate::__private)
}

/// Names the attribute that was done together with this one, and so was never looked up: else its import would seem unused.
fn resolved(observed: &Observed) -> Option<TokenStream> {
    let path = observed.absorbed.as_ref()?;
    Some(quote!(#[allow(unused_imports)] use #path as _;))
}

fn braces(span: Span, tokens: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, tokens);
    group.set_span(span);
    group
}

/// Splits `#![…]`s from the statements behind them: an attribute of a body may not stand in an inner block.
fn inner_attributes(body: TokenStream) -> (TokenStream, TokenStream) {
    let mut trees = body.into_iter().peekable();
    let mut inner = TokenStream::new();
    loop {
        let mut ahead = trees.clone();
        match (ahead.next(), ahead.next(), ahead.next()) {
            (Some(TokenTree::Punct(hash)), Some(TokenTree::Punct(bang)), Some(TokenTree::Group(group)))
                if hash.as_char() == '#' && bang.as_char() == '!' && group.delimiter() == Delimiter::Bracket =>
            {
                inner.extend([TokenTree::from(hash), bang.into(), group.into()]);
                trees = ahead;
            }
            _ => return (inner, trees.collect()),
        }
    }
}

/// What the parts of one expansion share.
struct Expansion<'a> {
    observed: &'a Observed,
    func: &'a Func,
    rt: TokenStream,
    /// The user's own brace group.
    body: Group,
    /// The attributes that stood inside the body.
    inner: TokenStream,
    shape: Shape,
    never: bool,
    /// The written return type, and how it stands on a `let`.
    ret: Type,
    annotation: Type,
    callsite: Ident,
    span: Ident,
    visit: Ident,
    value: Ident,
}

impl<'a> Expansion<'a> {
    fn new(observed: &'a Observed, body: &Group) -> Self {
        let func = &observed.func;
        let ret: Type = match &func.sig.output {
            ReturnType::Default => Type::Verbatim(quote_spanned!(Span::mixed_site()=> ())),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        let (inner, rest) = inner_attributes(body.stream());
        Self {
            observed,
            func,
            rt: runtime(observed),
            body: if inner.is_empty() { body.clone() } else { braces(body.span(), rest) },
            inner,
            shape: Shape::of(func, observed.signature_is_read),
            never: shape::returns_never(&func.sig.output),
            annotation: shape::annotation(ret.clone()),
            ret,
            callsite: Ident::new("__OBS_CALLSITE", Span::call_site()),
            span: local("__obs_span"),
            visit: local("__obs_visit"),
            value: local("__obs_ret"),
        }
    }

    fn finish(&self) -> TokenStream {
        let mut arguments = arguments(self.func, &self.observed.args.fields);
        let items = self.items();
        let inner = &self.inner;
        let work = self.work(&arguments);
        let mut changed = arguments.renamed;
        if let Shape::Async = self.shape {
            // Tokens of the macro: with its edition they capture all lifetimes in every edition of the user's.
            let ret = &self.ret;
            arguments.sig.asyncness = None;
            arguments.sig.output =
                syn::parse_quote_spanned!(Span::mixed_site()=> -> impl ::core::future::Future<Output = #ret>);
            changed = true;
        }
        // The braces of the user's own code: with others the lints take the function for foreign and fall silent.
        let block = braces(self.body.span(), quote_spanned!(Span::mixed_site()=> #inner #items #work));
        let Func { attrs, vis, sig: written, .. } = self.func;
        let sig = &arguments.sig;
        if !changed {
            return quote!(#(#attrs)* #vis #sig #block);
        }
        // The documentation shows what the user wrote.
        let body = self.body.stream();
        let shown = braces(self.body.span(), quote_spanned!(Span::mixed_site()=> #inner #items #body));
        quote! {
            #[cfg(not(doc))]
            #(#attrs)* #vis #sig #block
            #[cfg(doc)]
            #(#attrs)* #vis #written #shown
        }
    }

    /// The const and the static at the head of the body.
    fn items(&self) -> TokenStream {
        let Self { rt, callsite, observed, .. } = self;
        let args = &observed.args;
        let resolved = resolved(observed);
        let declared = Ident::new(DECLARED, Span::call_site());
        let name = observed.span_name();
        let names: Vec<String> = args.fields.iter().map(Field::key).collect();
        let closing = CLOSING_FIELDS;
        let level = args.level.map(|level| constant("level", rt, "Level", level.0));
        let kind = args.kind.map(|kind| constant("kind", rt, "SpanKind", kind.0));
        let err = args.err.map(|err| match err {
            ErrorEvent::At(level) => constant("err", rt, "Level", level.0),
            ErrorEvent::Off => quote!(.err_off()),
        });
        let metrics = args.metrics_off.as_ref().map(|_| quote!(.no_metrics()));
        let target = args.target.as_ref().map(|target| quote!(.target(#target)));
        quote_spanned! {Span::mixed_site()=>
            #resolved
            #[allow(dead_code)]
            const #declared: #rt::Declared = #rt::Declared { names: &[#(#names),*], callsite: || &#callsite };
            static #callsite: #rt::Callsite = #rt::Callsite::new(
                &#callsite,
                #rt::Site::new(
                    #name,
                    ::core::module_path!(),
                    ::core::file!(),
                    ::core::line!(),
                    &[#(#names,)* #(#closing),*],
                )
                #level #target #kind #err #metrics,
            );
        }
    }

    /// The expression that stands in the new body.
    fn work(&self, arguments: &Arguments) -> TokenStream {
        let Self { rt, callsite, span, observed, .. } = self;
        let Arguments { mention, rebind, .. } = arguments;
        let prologue = &observed.prologue;
        let annotation = &self.annotation;
        let fields = self.fields(arguments);
        let judge = self.judge(annotation);
        let open = self.opening("open", &fields);
        let begin = self.opening("begin", &fields);
        let future = local("__obs_future");
        match &self.shape {
            Shape::Sync => {
                let value = self.returned(&self.body, annotation);
                quote_spanned! {Span::mixed_site()=>
                    let #span = #open;
                    #rt::sync(#span, move || -> #annotation { #rebind #prologue #value }, #judge)
                }
            }
            Shape::Async => {
                let told = self.told_output(&self.ret, annotation);
                let value = self.returned(&self.body, annotation);
                // The fields are read before the arguments are bound again: a borrow of a rebound argument would
                // keep it alive across the awaits.
                quote_spanned! {Span::mixed_site()=>
                    #rt::lazy(&#callsite, async move { #mention #begin; #told #rebind #prologue #value }, #judge)
                }
            }
            Shape::AsyncKept => {
                let told = (!self.never).then(|| self.told_output(&self.ret, annotation));
                let value = self.returned(&self.body, annotation);
                quote_spanned! {Span::mixed_site()=>
                    #rt::observe(#open, async move { #told #rebind #prologue #value }, #judge).await
                }
            }
            Shape::Future(output) => {
                let judge = self.judge(&shape::annotation(output.clone()));
                let value = self.returned(&self.body, annotation);
                quote_spanned! {Span::mixed_site()=>
                    let mut #span = #open;
                    let #future = #rt::prelude(&mut #span, move || { #rebind #prologue #value });
                    #rt::observe(#span, #future, #judge)
                }
            }
            Shape::Boxed(output) => {
                let judge = self.judge(&shape::annotation(output.clone()));
                let value = self.returned(&self.body, annotation);
                quote_spanned! {Span::mixed_site()=>
                    let mut #span = #open;
                    let #future = #rt::prelude(&mut #span, move || -> #annotation { #rebind #prologue #value });
                    #rt::Box::pin(#rt::observe(#span, #future, #judge))
                }
            }
            Shape::AsyncTrait(output, block) => {
                let annotation = shape::annotation(output.clone());
                let judge = self.judge(&annotation);
                let told = self.told_output(output, &annotation);
                let value = self.returned(block, &annotation);
                quote_spanned! {Span::mixed_site()=>
                    #rt::Box::pin(#rt::lazy(
                        &#callsite,
                        async move { #mention #begin; #told #rebind #prologue #value },
                        #judge,
                    ))
                }
            }
        }
    }

    /// The call that opens the span.
    fn opening(&self, function: &str, fields: &TokenStream) -> TokenStream {
        let Self { rt, callsite, visit, .. } = self;
        let mixed = Span::mixed_site();
        match &self.observed.parent {
            None => {
                let function = Ident::new(function, mixed);
                quote_spanned!(mixed=> #rt::#function(&#callsite, |#visit| { #fields }))
            }
            Some(parent) => {
                let function = Ident::new(&format!("{function}_within"), mixed);
                quote_spanned!(mixed=> #rt::#function(&#callsite, || #parent, |#visit| { #fields }))
            }
        }
    }

    /// The body, its value bound before it is returned. The binding ends the temporaries of its last expression before
    /// the arguments, as in a function, in every edition. The `match` keeps lints from taking the body for a block within
    /// a statement: there they do not like it to end in a `panic!`.
    fn returned(&self, body: &Group, annotation: &Type) -> TokenStream {
        let value = &self.value;
        let body = quote_spanned!(Span::mixed_site()=> match () { () => #body });
        if self.never {
            // A `let` cannot say `!`.
            return body;
        }
        quote_spanned! {Span::mixed_site()=>
            let #value: #annotation = #body;
            #[allow(unreachable_code)]
            return #value;
        }
    }

    /// The only way to tell an `async` block its output.
    fn told_output(&self, written: &Type, annotation: &Type) -> TokenStream {
        let at = Span::mixed_site().located_at(written.span());
        let value = Ident::new("__obs_ret", at);
        let told = quote_spanned!(at=> let #value: #annotation = loop {}; return #value;);
        quote_spanned! {Span::mixed_site()=>
            #[allow(unreachable_code, clippy::diverging_sub_expression)]
            if false { #told }
        }
    }

    /// What tells the outcome of a value.
    fn judge(&self, ty: &Type) -> TokenStream {
        let Self { rt, value, .. } = self;
        if self.never || is_unit(ty) {
            return quote_spanned!(Span::mixed_site()=> #rt::unjudged);
        }
        let words = match &self.observed.args.err_debug {
            Some(debug) => {
                let at = Span::mixed_site().located_at(debug.span());
                let (rt, value) = (moved(rt, at), Ident::new("__obs_ret", at));
                quote_spanned!(at=> #rt::by_debug(#value))
            }
            None => quote_spanned!(Span::mixed_site()=> #rt::W0::of(#value).__obs_words()),
        };
        let verdict = quote_spanned!(Span::mixed_site()=> #rt::C0::of(#value).__obs_kind().__obs_judge(#value, #words));
        let judge = quote_spanned!(Span::mixed_site()=> |#value: &#ty| #verdict);
        if shape::is_optional_reference(ty) {
            let name = local("__obs_judge");
            return quote_spanned!(Span::mixed_site()=> { #[allow(clippy::ref_option_ref)] let #name = #judge; #name });
        }
        judge
    }

    fn fields(&self, arguments: &Arguments) -> TokenStream {
        let fields = self.observed.args.fields.iter().enumerate().map(|(index, field)| self.field(index, field));
        let open_patterns = &arguments.open_patterns;
        quote_spanned!(Span::mixed_site()=> #open_patterns #(#fields)*)
    }

    fn field(&self, index: usize, field: &Field) -> TokenStream {
        let at = Span::mixed_site().located_at(field.name.span());
        let (form, value, cfgs) = match &field.value {
            Value::Late => return TokenStream::new(),
            Value::Expr(form, value) => (*form, value.clone(), Vec::new()),
            Value::Named(form) => {
                // A standard field without argument is recorded by the body.
                let Some(param) = self.func.param(&field.name) else { return TokenStream::new() };
                // The argument's name, at the place where the attribute says it.
                let mut name = param.ident.clone();
                name.set_span(name.span().located_at(field.name.span()));
                (*form, name.into_token_stream(), param.cfgs)
            }
        };
        let given = Ident::new("__obs_value", at);
        let visit = visit(&self.rt, form, &given, &Literal::usize_unsuffixed(index), at);
        quote_spanned!(at=> #(#cfgs)* match &(#value) { #given => #visit, };)
    }
}

/// Gives the value that the local `value` refers to, to `__obs_visit` at `index`. All tokens are at `at`, so that a value
/// which cannot be recorded is blamed where its field is named.
pub(crate) fn visit(rt: &TokenStream, form: Form, value: &Ident, index: &impl ToTokens, at: Span) -> TokenStream {
    let rt = moved(rt, at);
    let visit = Ident::new("__obs_visit", at);
    match form {
        Form::Plain => quote_spanned!(at=> #rt::K0::of(#value).__obs_kind().__obs_field(#value, #visit, #index)),
        Form::Display => quote_spanned!(at=> #rt::display(#visit, #index, #value)),
        Form::Debug => quote_spanned!(at=> #rt::debug(#visit, #index, #value)),
    }
}

/// `()`, of which there is nothing to judge.
fn is_unit(ty: &Type) -> bool {
    match ty {
        Type::Tuple(ty) => ty.elems.is_empty(),
        Type::Verbatim(tokens) => tokens.to_string() == "()",
        _ => false,
    }
}

/// The same path, at another place.
fn moved(path: &TokenStream, at: Span) -> TokenStream {
    let moved = |mut tree: TokenTree| {
        tree.set_span(tree.span().located_at(at));
        tree
    };
    path.clone().into_iter().map(moved).collect()
}

pub(super) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// `.level(rt::Level::DEBUG)` and the like.
fn constant(method: &str, rt: &TokenStream, ty: &str, name: &str) -> TokenStream {
    let (method, ty, name) = (local(method), local(ty), local(name));
    quote_spanned!(Span::mixed_site()=> .#method(#rt::#ty::#name))
}
