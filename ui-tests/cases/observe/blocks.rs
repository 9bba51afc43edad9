use obs_runtime::observe;

async fn waits() {
    observe!("a"; { std::future::ready(1).await });
}

fn leaves_a_loop() {
    loop {
        observe!("a"; { break });
    }
}

fn main() {}
