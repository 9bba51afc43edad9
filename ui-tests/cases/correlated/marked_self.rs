use obs_runtime::correlated;

struct Job;

impl Job {
    #[correlated]
    fn run(#[carrier] &self) {}
}

fn main() {
    Job.run();
}
