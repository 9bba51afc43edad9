use std::rc::Rc;

use obs_runtime::observed;

#[observed]
async fn holds_an_rc() {
    let text = Rc::new(1);
    std::future::ready(()).await;
    drop(text);
}

fn needs_send<T: Send>(_: T) {}

fn main() {
    needs_send(holds_an_rc());
}
