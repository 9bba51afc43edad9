use obs_runtime::LabelSet;

#[derive(LabelSet)]
struct Labels {
    user_id: String,
    path: &'static str,
}

fn main() {}
