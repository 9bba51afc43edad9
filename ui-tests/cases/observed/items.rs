use obs_runtime::observed;

#[observed]
struct Agent;

#[observed]
enum State {}

#[observed]
trait Store {
    fn get(&self);
}

#[observed]
mod inner {}

#[observed]
const LIMIT: u8 = 1;

trait Plan {
    #[observed]
    fn plan(&self);
}

#[observed]
const fn constant() -> u8 {
    1
}

#[observed]
#[observed]
fn twice() {}

fn main() {
    constant();
    twice();
}
