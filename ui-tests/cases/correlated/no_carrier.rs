use obs_runtime::correlated;

#[correlated]
fn create(user_id: &str, agents: Vec<(String, u8)>) -> usize {
    user_id.len() + agents.len()
}

fn main() {
    create("u1", Vec::new());
}
