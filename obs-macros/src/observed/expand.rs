//! Model to tokens. Nothing here can fail.
//!
//! The body goes into one closure or one `async move` block, and everything else is a call into the runtime. Why each
//! piece is there stands beside it; the order of the statements is the order in which arguments are dropped.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, ReturnType, Token, Type};

use super::arguments::{Arguments, arguments};
use super::func::{may_record, recorded};
use super::judge::{Judge, Judged, judge};
use super::located::Located;
use super::shape::{self, Shape};
use super::site::{self, DECLARED, site};
use super::{Args, Field, Form, Func, Observed, Returns, Value};
use crate::krate::{self, Runtime};

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

fn runtime(observed: &Observed) -> Runtime {
    Runtime::of(&krate::path(observed.args.krate.as_ref()), Span::mixed_site())
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
    let mut inner = TokenStream::new();
    if !matches!(body.clone().into_iter().next(), Some(TokenTree::Punct(hash)) if hash.as_char() == '#') {
        return (inner, body);
    }
    let mut trees = body.into_iter();
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
pub(super) struct Expansion<'a> {
    pub(super) observed: &'a Observed,
    func: &'a Func,
    pub(super) rt: Runtime,
    /// The user's own brace group.
    pub(super) body: Group,
    /// The attributes that stood inside the body.
    inner: TokenStream,
    /// Whether `record!` may be in it.
    records: bool,
    shape: Shape,
    never: bool,
    /// The written return type, and how it stands on a `let`.
    ret: Type,
    pub(super) annotation: Type,
    callsite: Ident,
    pub(super) span: Ident,
    pub(super) value: Ident,
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
            records: may_record(body),
            shape: Shape::of(
                func,
                observed.signature_is_read,
                observed.args.returns.as_ref().map(|(_, returns)| *returns),
            ),
            never: shape::returns_never(&func.sig.output),
            annotation: shape::annotation(ret.clone()),
            ret,
            callsite: site::callsite(),
            span: local("__obs_span"),
            value: local("__obs_ret"),
        }
    }

    fn finish(&self) -> TokenStream {
        let mut arguments = arguments(self.func, &self.observed.args);
        let items = self.items();
        let inner = &self.inner;
        let work = self.work(&arguments);
        let mut changed = arguments.renamed;
        if let Shape::Async = self.shape {
            // Tokens of the macro: with its edition they capture all lifetimes in every edition of the user's.
            let ret = &self.ret;
            arguments.sig.asyncness = None;
            let future = quote_spanned!(Span::mixed_site()=> impl ::core::future::Future<Output = #ret>);
            arguments.sig.output = ReturnType::Type(Token![->](Span::mixed_site()), Type::Verbatim(future).into());
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
        // Its body is resolved too, and `record!` looks for the items.
        let items = if self.records { items } else { resolved(self.observed).into_token_stream() };
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
        let args = &self.observed.args;
        let resolved = resolved(self.observed);
        let declared = self.records.then(|| site::declared(&self.rt, args));
        let site = site(&self.rt, &self.observed.span_name(), args);
        quote_spanned!(Span::mixed_site()=> #resolved #declared #site)
    }

    /// The expression that stands in the new body.
    fn work(&self, arguments: &Arguments) -> TokenStream {
        let Self { rt, callsite, span, observed, .. } = self;
        let Arguments { mention, rebind, .. } = arguments;
        let prologue = &observed.prologue;
        let annotation = &self.annotation;
        let judge = self.judge(&Judged::As(annotation));
        let open = self.opening("open", arguments);
        let begin = self.opening("begin", arguments);
        let future = local("__obs_future");
        match &self.shape {
            Shape::Sync => {
                if let Some(located) = Located::of(observed) {
                    return located.work(self, arguments, &open, &judge);
                }
                let value = self.returned(&self.body, annotation);
                let sync = judge.taker("sync", Span::mixed_site());
                quote_spanned! {Span::mixed_site()=>
                    let #span = #open;
                    #rt::#sync(#span, move || -> #annotation { #rebind #prologue #value }, #judge)
                }
            }
            Shape::Async => {
                let told = self.told_output(&self.ret, annotation);
                let value = self.returned(&self.body, annotation);
                let lazy = judge.taker("lazy", Span::mixed_site());
                // The fields are read before the arguments are bound again: a borrow of a rebound argument would
                // keep it alive across the awaits.
                quote_spanned! {Span::mixed_site()=>
                    #rt::#lazy(&#callsite, async move { #mention #begin; #told #rebind #prologue #value }, #judge)
                }
            }
            Shape::AsyncKept => {
                let told = (!self.never).then(|| self.told_output(&self.ret, annotation));
                let value = self.returned(&self.body, annotation);
                let observe = judge.taker("observe", Span::mixed_site());
                quote_spanned! {Span::mixed_site()=>
                    #rt::#observe(#open, async move { #told #rebind #prologue #value }, #judge).await
                }
            }
            Shape::Future(output) => {
                let judge = self.judge(&Judged::As(&shape::annotation(output.clone())));
                let value = self.returned(&self.body, annotation);
                let observe = judge.taker("observe", Span::mixed_site());
                quote_spanned! {Span::mixed_site()=>
                    let mut #span = #open;
                    let #future = #rt::prelude(&mut #span, move || { #rebind #prologue #value });
                    #rt::#observe(#span, #future, #judge)
                }
            }
            Shape::Boxed(output) => {
                let judge = self.judge(&Judged::As(&shape::annotation(output.clone())));
                let value = self.returned(&self.body, annotation);
                let observe = judge.taker("observe", Span::mixed_site());
                quote_spanned! {Span::mixed_site()=>
                    let mut #span = #open;
                    let #future = #rt::prelude(&mut #span, move || -> #annotation { #rebind #prologue #value });
                    #rt::boxed(#rt::#observe(#span, #future, #judge))
                }
            }
            Shape::Hidden { returns, unnamed } => {
                let judge = self.judge(&Judged::Unwritten(self.ret.span()));
                let value = self.returned(&self.body, annotation);
                // What cannot be put into another of its type is refused where that is written.
                let at = Span::mixed_site().located_at(self.ret.span());
                let (path, given) = (rt.moved(at), Ident::new("__obs_future", at));
                let (observe, kind) = match returns {
                    Returns::Future => ("observe_by", "__obs_future"),
                    Returns::Stream => ("observe_stream", "__obs_stream"),
                };
                let (observe, kind) = (Ident::new(observe, at), Ident::new(kind, at));
                let observe = match unnamed {
                    true => quote_spanned!(at=> #path::#observe(#span, #given, #judge)),
                    false => quote_spanned!(at=> #path::H0::of(&#given).#kind().__obs_again(#span, #given, #judge)),
                };
                quote_spanned! {Span::mixed_site()=>
                    let mut #span = #open;
                    let #future = #rt::prelude(&mut #span, move || -> #annotation { #rebind #prologue #value });
                    #observe
                }
            }
            Shape::AsyncTrait(output, block) => {
                let annotation = shape::annotation(output.clone());
                let judge = self.judge(&Judged::As(&annotation));
                let told = self.told_output(output, &annotation);
                let value = self.returned(block, &annotation);
                let lazy = judge.taker("lazy", Span::mixed_site());
                quote_spanned! {Span::mixed_site()=>
                    #rt::Box::pin(#rt::#lazy(
                        &#callsite,
                        async move { #mention #begin; #told #rebind #prologue #value },
                        #judge,
                    ))
                }
            }
        }
    }

    /// The call that opens the span.
    fn opening(&self, function: &str, arguments: &Arguments) -> TokenStream {
        if let Some(given) = self.given(arguments) {
            let (rt, callsite) = (&self.rt, &self.callsite);
            let function = local(&format!("{function}_given"));
            return quote_spanned!(Span::mixed_site()=> #rt::#function(&#callsite, &[#(#given),*]));
        }
        let Observed { args, parent, .. } = self.observed;
        opening(&self.rt, args, parent.as_ref(), function, &arguments.open_patterns, &self.fields())
    }

    /// The fields as a list, where all of them are arguments as they came: no closure, which would be one more body for the
    /// compiler to check.
    fn given(&self, arguments: &Arguments) -> Option<Vec<TokenStream>> {
        let Observed { args, parent, .. } = self.observed;
        let here = parent.is_none() && args.parent.is_none() && args.root.is_none() && args.links.is_none();
        // Behind its `.await`, the list would still be there.
        let ends = !matches!(self.shape, Shape::AsyncKept);
        if !here || !ends || !arguments.open_patterns.is_empty() {
            return None;
        }
        args.fields.iter().map(|field| self.given_field(field)).collect()
    }

    fn given_field(&self, field: &Field) -> Option<TokenStream> {
        let at = Span::mixed_site().located_at(field.name.span());
        let rt = self.rt.moved(at);
        let named = match &field.value {
            Value::Expr(..) => return None,
            Value::Late => None,
            Value::Named(form) => self.named(field).map(|named| (form, named)),
        };
        match named {
            None => Some(quote_spanned!(at=> #rt::NOTHING)),
            // What may not be there has no fixed place in a list.
            Some((_, (_, cfgs))) if !cfgs.is_empty() => None,
            Some((form, (name, _))) => Some(match form {
                Form::Plain => quote_spanned!(at=> #rt::field(&#name).__obs_given()),
                Form::Display => quote_spanned!(at=> #rt::displayed(&#name)),
                Form::Debug => quote_spanned!(at=> #rt::debugged(&#name)),
            }),
        }
    }

    /// The argument that a field names, at the place where the attribute names it, and its `cfg`s. A standard field without one
    /// is recorded by the body.
    fn named(&self, field: &Field) -> Option<(Ident, Vec<&Attribute>)> {
        let param = self.func.param(&field.name)?;
        let mut name = param.ident.clone();
        name.set_span(name.span().located_at(field.name.span()));
        Some((name, param.cfgs))
    }

    /// The body, its value bound before it is returned. The binding ends the temporaries of its last expression before
    /// the arguments, as in a function, in every edition. The `match` keeps lints from taking the body for a block within
    /// a statement: there they do not like it to end in a `panic!`.
    pub(super) fn returned(&self, body: &Group, annotation: &Type) -> TokenStream {
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
        let rt = self.rt.moved(at);
        let told = quote_spanned!(at=> return #rt::told::<#annotation>(););
        quote_spanned!(Span::mixed_site()=> if false { #told })
    }

    /// What tells the outcome of a value.
    fn judge(&self, judged: &Judged<'_>) -> Judge {
        if self.never { Judge::none(&self.rt) } else { judge(&self.rt, &self.observed.args, judged) }
    }

    fn fields(&self) -> TokenStream {
        let fields = self.observed.args.fields.iter().enumerate().map(|(index, field)| self.field(index, field));
        quote_spanned!(Span::mixed_site()=> #(#fields)*)
    }

    fn field(&self, index: usize, field: &Field) -> TokenStream {
        let at = Span::mixed_site().located_at(field.name.span());
        let (form, value, cfgs) = match &field.value {
            Value::Late => return TokenStream::new(),
            Value::Expr(form, value) => (*form, value.clone(), Vec::new()),
            Value::Named(form) => {
                let Some((name, cfgs)) = self.named(field) else { return TokenStream::new() };
                (*form, name.into_token_stream(), cfgs)
            }
        };
        let visited = visited(&self.rt, form, &value, index, at);
        quote_spanned!(at=> #(#cfgs)* #visited)
    }
}

/// The statement that gives what the tokens `value` stand for to `__obs_visit` at `index`.
pub(crate) fn visited(rt: &Runtime, form: Form, value: &TokenStream, index: usize, at: Span) -> TokenStream {
    let visit = visit(rt, form, &quote_spanned!(at=> &(#value)), &Literal::usize_unsuffixed(index), at);
    quote_spanned!(at=> #visit;)
}

/// Gives the value that `value` refers to, to `__obs_visit` at `index`. All tokens are at `at`, so that a value which cannot
/// be recorded is blamed where its field is named.
pub(crate) fn visit(rt: &Runtime, form: Form, value: &impl ToTokens, index: &impl ToTokens, at: Span) -> TokenStream {
    let rt = rt.moved(at);
    let visit = Ident::new("__obs_visit", at);
    match form {
        Form::Plain => quote_spanned!(at=> #rt::field(#value).__obs_field(#visit, #index)),
        Form::Display => quote_spanned!(at=> #rt::display(#visit, #index, #value)),
        Form::Debug => quote_spanned!(at=> #rt::debug(#visit, #index, #value)),
    }
}

/// The call that opens a span: under `inbound`, or where the options say, else where it is; `patterns` makes the names that
/// these use known to them.
pub(crate) fn opening(
    rt: &Runtime,
    args: &Args,
    inbound: Option<&TokenStream>,
    function: &str,
    patterns: &TokenStream,
    fields: &TokenStream,
) -> TokenStream {
    let mixed = Span::mixed_site();
    let (callsite, visit) = (site::callsite(), local("__obs_visit"));
    let links = args.links.as_ref().map(|links| quote_spanned!(mixed=> #rt::links(#visit, #links);));
    let parent = match (inbound, &args.parent, &args.root) {
        (Some(inbound), _, _) => Some(inbound.clone()),
        (_, Some((_, parent)), _) => {
            // What is no parent is refused where it is written.
            let at = mixed.located_at(parent.span());
            let path = rt.moved(at);
            let placed = quote_spanned!(at=> #path::parent(&(#parent)));
            Some(quote_spanned!(mixed=> { #patterns #placed }))
        }
        (_, _, Some(_)) => Some(quote_spanned!(mixed=> #rt::root())),
        _ => None,
    };
    match parent {
        None => {
            let function = Ident::new(function, mixed);
            quote_spanned!(mixed=> #rt::#function(&#callsite, |#visit| { #patterns #fields #links }))
        }
        Some(parent) => {
            let function = Ident::new(&format!("{function}_within"), mixed);
            quote_spanned!(mixed=> #rt::#function(&#callsite, || #parent, |#visit| { #patterns #fields #links }))
        }
    }
}

pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
