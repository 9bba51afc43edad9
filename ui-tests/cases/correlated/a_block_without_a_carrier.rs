use obs_runtime::{correlated, observed};

struct Pods;

#[correlated]
impl Pods {
    fn count(&self, names: &[String]) -> usize {
        names.len()
    }
}

#[observed]
#[correlated]
impl Pods {
    fn list(&self) {}
}

struct Nodes;

#[correlated(trst = "ids")]
impl Nodes {
    fn ask(#[carrier] names: &std::collections::BTreeMap<String, String>) -> usize {
        names.len()
    }
}

#[correlated(skip)]
fn left_out(names: &std::collections::BTreeMap<String, String>) -> usize {
    names.len()
}

fn main() {
    Pods.list();
    Pods.count(&[]);
    Nodes::ask(&Default::default());
    left_out(&Default::default());
}
