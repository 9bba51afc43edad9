//! A function as the user wrote it.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::visit::Visit;
use syn::{Attribute, FnArg, Pat, Result, Signature, Token, Visibility, token};

/// A function, a method, or the declaration of one.
#[derive(Clone)]
pub(crate) struct Func {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    // Unparsed on purpose: while someone is typing, the body is not valid Rust yet, and the editor still needs the
    // signature.
    pub(crate) body: Option<Group>,
}

/// A name that the arguments bind.
pub(crate) struct Param<'a> {
    pub(crate) ident: &'a Ident,
    /// The `cfg`s of its argument.
    pub(crate) cfgs: Vec<&'a Attribute>,
}

impl Parse for Func {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = if input.parse::<Option<Token![;]>>()?.is_some() { None } else { Some(body(input)?) };
        Ok(Self { attrs, vis, sig, body })
    }
}

/// Takes the body: the braces and what is in them.
fn body(input: ParseStream<'_>) -> Result<Group> {
    let ahead = input.fork();
    if let Ok(TokenTree::Group(group)) = ahead.parse()
        && let Some(body) = unwrapped(group)
    {
        input.parse::<TokenTree>()?;
        return Ok(body);
    }
    Err(input.error("expected the body of the function"))
}

/// The braces within invisible groups: a `$body:block` of a `macro_rules!` arrives in one.
fn unwrapped(group: Group) -> Option<Group> {
    match group.delimiter() {
        Delimiter::Brace => Some(group),
        Delimiter::None => {
            let mut trees = group.stream().into_iter();
            match (trees.next(), trees.next()) {
                (Some(TokenTree::Group(inner)), None) => unwrapped(inner),
                _ => None,
            }
        }
        _ => None,
    }
}

impl ToTokens for Func {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.attrs.iter().map(ToTokens::to_token_stream));
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        match &self.body {
            Some(body) => body.to_tokens(tokens),
            None => token::Semi::default().to_tokens(tokens),
        }
    }
}

impl Func {
    /// Every name that the arguments bind, also inside their patterns; not `self`.
    pub(crate) fn params(&self) -> Vec<Param<'_>> {
        let mut params = Vec::new();
        for argument in &self.sig.inputs {
            if let FnArg::Typed(argument) = argument {
                let cfgs: Vec<_> = argument.attrs.iter().filter(|attr| is_cfg(attr)).collect();
                let names = bound(&argument.pat);
                params.extend(names.into_iter().map(|ident| Param { ident, cfgs: cfgs.clone() }));
            }
        }
        params
    }

    pub(crate) fn param(&self, name: &Ident) -> Option<Param<'_>> {
        let name = name.unraw();
        self.params().into_iter().find(|param| param.ident.unraw() == name)
    }

    /// Whether something in the body records the field `name`: `record!(name …)` or `.record("name", …)`.
    pub(crate) fn records(&self, name: &str) -> bool {
        recorded(self.body.as_ref()).iter().any(|recorded| recorded == name)
    }
}

/// The attributes that decide whether an argument is there.
pub(crate) fn is_cfg(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}

/// The names that a pattern binds.
pub(crate) fn bound(pat: &Pat) -> Vec<&Ident> {
    struct Names<'a>(Vec<&'a Ident>);
    impl<'a> Visit<'a> for Names<'a> {
        fn visit_pat_ident(&mut self, pat: &'a syn::PatIdent) {
            self.0.push(&pat.ident);
            syn::visit::visit_pat_ident(self, pat);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pat);
    names.0
}

/// Whether a macro is called anywhere in the body, which may be `record!` or become it.
pub(crate) fn may_record(body: &Group) -> bool {
    body.stream().into_iter().any(|tree| match tree {
        TokenTree::Punct(punct) => punct.as_char() == '!',
        TokenTree::Group(group) => may_record(&group),
        _ => false,
    })
}

/// The fields that a body records.
pub(crate) fn recorded(body: Option<&Group>) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(body) = body {
        find_recorded(body.stream(), &mut names);
    }
    names
}

fn find_recorded(tokens: TokenStream, names: &mut Vec<String>) {
    // What was seen just before: nothing, `record`, or `record!`.
    let (mut word, mut bang) = (false, false);
    for tree in tokens {
        match tree {
            TokenTree::Ident(ident) => (word, bang) = (ident == "record", false),
            TokenTree::Punct(punct) => {
                bang = word && punct.as_char() == '!';
                word = false;
            }
            TokenTree::Group(group) => {
                if bang {
                    names_of_record(group.stream(), names);
                } else if word && group.delimiter() == Delimiter::Parenthesis {
                    names.extend(leading_string(group.stream()));
                }
                find_recorded(group.stream(), names);
                (word, bang) = (false, false);
            }
            TokenTree::Literal(_) => (word, bang) = (false, false),
        }
    }
}

/// The first word of each entry of a `record!`.
fn names_of_record(tokens: TokenStream, names: &mut Vec<String>) {
    let mut at_start = true;
    for tree in tokens {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == ',' => at_start = true,
            TokenTree::Punct(punct) if at_start && matches!(punct.as_char(), '%' | '?') => {}
            TokenTree::Ident(ident) if at_start => {
                names.push(ident.unraw().to_string());
                at_start = false;
            }
            _ => at_start = false,
        }
    }
}

fn leading_string(tokens: TokenStream) -> Option<String> {
    let TokenTree::Literal(literal) = tokens.into_iter().next()? else { return None };
    syn::parse2::<syn::LitStr>(literal.into_token_stream()).ok().map(|text| text.value())
}

/// Whether `tokens` mention `name`, also inside a format string.
pub(crate) fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Literal(literal) => literal.to_string().contains(&name.unraw().to_string()),
        TokenTree::Punct(_) => false,
    })
}
