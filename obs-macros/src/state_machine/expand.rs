use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::StateMachine;
use crate::krate::{self, Runtime};

pub(super) fn state_machine(machine: &StateMachine) -> TokenStream {
    let rt = krate::private(machine.krate.as_ref());
    let StateMachine { ident, name, states, .. } = machine;
    let names: Vec<_> = states.iter().map(|state| &state.ident).collect();
    let texts = states.iter().map(|state| &state.text);
    let indices: Vec<_> = (0..states.len()).collect();
    let last = names.last();
    let edges: Vec<(usize, usize)> = states
        .iter()
        .enumerate()
        .flat_map(|(from, state)| state.to.iter().filter_map(move |to| Some((from, machine.index(to)?))))
        .collect();
    let (from, to): (Vec<_>, Vec<_>) = edges.iter().copied().unzip();
    let impls = edges.iter().map(|(from, to)| {
        let (from, to) = (names[*from], names[*to]);
        quote!(impl #rt::Edge<__obs_states::#to> for __obs_states::#from {})
    });
    let (index, from_arg, to_arg) = (local("index"), local("from"), local("to"));
    let descriptors = descriptors(machine, &rt);
    let diagram = diagram(machine, &edges);
    let doc = format!("The states and the edges between them:\n\n```mermaid\n{diagram}```");
    let check = machine.buckets.as_ref().map(|buckets| {
        let span = buckets.span();
        quote_spanned! {span=>
            const _: () = match #rt::buckets(__OBS_BUCKETS) {
                ::core::option::Option::None => {}
                ::core::option::Option::Some(__obs_text) => ::core::panic!("{}", #rt::Text::as_str(&__obs_text)),
            };
        }
    });
    let buckets = match &machine.buckets {
        Some(array @ (syn::Expr::Array(_) | syn::Expr::Repeat(_))) => quote!(&#array),
        Some(slice) => quote!(#slice),
        None => quote!(#rt::DWELL),
    };
    quote! {
        const _: () = {
            // One type for each state, by which `transition!` finds the edges.
            #[allow(unreachable_pub, missing_docs, non_snake_case, non_camel_case_types)]
            mod __obs_states {
                #(pub struct #names;)*
                pub struct States { #(pub #names: #names),* }
            }
            #(impl #rt::State for __obs_states::#names {
                const INDEX: ::core::primitive::usize = #indices;
            })*
            #(#impls)*

            const __OBS_STATES: &[&::core::primitive::str] = &[#(#texts),*];
            const __OBS_BUCKETS: &[::core::primitive::f64] = #buckets;
            #check

            #[doc = #doc]
            #[automatically_derived]
            impl #rt::StateMachine for #ident {
                const NAME: &'static ::core::primitive::str = #name;
                const STATES: &'static [&'static ::core::primitive::str] = __OBS_STATES;
                const DESCRIPTORS: &'static [#rt::Descriptor] = &#descriptors;
                const DIAGRAM: &'static ::core::primitive::str = #diagram;

                type States = __obs_states::States;

                fn states() -> Self::States {
                    __obs_states::States { #(#names: __obs_states::#names),* }
                }

                fn index(&self) -> ::core::primitive::usize {
                    match self { #(Self::#names => #indices,)* }
                }

                fn nth(#index: ::core::primitive::usize) -> Self {
                    match #index { #(#indices => Self::#names,)* _ => Self::#last }
                }

                fn is_edge(#from_arg: ::core::primitive::usize, #to_arg: ::core::primitive::usize) -> ::core::primitive::bool {
                    match (#from_arg, #to_arg) { #((#from, #to) => true,)* _ => false }
                }

                fn slot() -> &'static #rt::Global<#rt::Machine<Self>> {
                    static __OBS_GLOBAL: #rt::Global<#rt::Machine<#ident>> = #rt::Global::new();
                    &__OBS_GLOBAL
                }
            }
        };
    }
}

fn local(name: &str) -> syn::Ident {
    syn::Ident::new(&format!("__obs_{name}"), Span::mixed_site())
}

/// Transitions, population, refused transitions, durations: the order that the runtime takes them in.
fn descriptors(machine: &StateMachine, rt: &Runtime) -> TokenStream {
    let StateMachine { ident, name, label, names, .. } = machine;
    let named = |given: &Option<syn::LitStr>, default: String| given.as_ref().map_or(default, syn::LitStr::value);
    let transitions = named(&names.transitions, format!("{name}_state_transitions_total"));
    let population = named(&names.population, format!("{name}s_total"));
    let illegal = named(&names.illegal, format!("{name}_illegal_transitions_total"));
    let duration = named(&names.duration, format!("{name}_state_duration_seconds"));
    let of_transitions = format!("Transitions of {name}, by the {label} left and the {label} entered.");
    let of_population = format!("How many there are of {name}, by {label}.");
    let of_illegal =
        format!("Transitions of {name} that were refused, by the {label} it is in and the {label} asked for.");
    let of_duration = format!("How long {name} stayed, by the {label} left.");
    // With the span of the enum's name these are its line and file, not the derive's.
    let place = quote_spanned!(ident.span()=> (::core::file!(), ::core::line!()));
    let from_to = quote!(&[#rt::closed_label("from", __OBS_STATES), #rt::closed_label("to", __OBS_STATES)]);
    let state = quote!(&[#rt::closed_label(#label, __OBS_STATES)]);
    quote! {
        [
            #rt::state_descriptor(#transitions, #rt::Kind::Counter, #of_transitions, #from_to, &[], #place),
            #rt::state_descriptor(#population, #rt::Kind::Gauge, #of_population, #state, &[], #place),
            #rt::state_descriptor(#illegal, #rt::Kind::Counter, #of_illegal, #from_to, &[], #place),
            #rt::state_descriptor(#duration, #rt::Kind::Histogram, #of_duration, #state, __OBS_BUCKETS, #place),
        ]
    }
}

fn diagram(machine: &StateMachine, edges: &[(usize, usize)]) -> String {
    let states = &machine.states;
    let mut out = "stateDiagram-v2\n".to_owned();
    for state in states.iter().filter(|state| state.initial) {
        out += &format!("    [*] --> {}\n", state.text);
    }
    for (from, to) in edges {
        out += &format!("    {} --> {}\n", states[*from].text, states[*to].text);
    }
    for state in states.iter().filter(|state| state.terminal) {
        out += &format!("    {} --> [*]\n", state.text);
    }
    out
}
