use obs_runtime::{correlated, observed};
use std::collections::BTreeMap;

#[observed(parent = current(), root)]
fn two_places() {}

#[observed(root = true, audit = "yes", future(boxed))]
fn flags_with_values() {}

#[observed(root, root, parent =)]
fn twice_and_half() {}

#[observed(parent, links, slow)]
fn without_values(parent: u8, links: u8, slow: u8) {}

#[correlated]
#[observed(root)]
fn continued(headers: BTreeMap<String, String>) {}

#[observed(parent = 7)]
fn no_parent() {}

#[observed(links = 7)]
fn no_link() {}

#[observed(links = [7])]
fn no_links() {}

fn main() {}
