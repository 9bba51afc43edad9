use obs_runtime::correlated;

#[correlated]
struct Pod;

#[correlated]
trait Runs {
    #[correlated]
    fn run(&self, headers: &http::HeaderMap);
}

fn main() {
    let _ = Pod;
}
