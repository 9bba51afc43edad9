use obs_runtime::observed;

struct Store;

#[observed(usr_id)]
impl Store {
    fn get(&self, user_id: &str) {}
}

#[observed]
impl Store {
    const fn constant(&self) {}

    #[observed(agent_id, levl = "debug")]
    fn put(&self, user_id: &str) {}

    #[observed = "debug"]
    fn options_without_parentheses(&self) {}
}

trait Size {
    fn size(&self) {}
}

#[observed]
impl Size for (u8, u8) {}

fn main() {}
