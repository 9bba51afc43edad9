use obs_runtime::observe;

async fn waits() {
    observe!("a"; { std::future::ready(1).await });
}

fn leaves_a_loop() {
    loop {
        observe!("a"; { break });
    }
}

fn leaves_by_a_label(texts: &[&str]) {
    'texts: for text in texts {
        observe!("a", text; {
            for letter in text.chars() {
                if letter == 'x' {
                    continue 'texts;
                }
            }
        });
    }
}

async fn leaves_while_it_waits() {
    loop {
        observe!("a"; async { break }).await;
    }
}

fn of_no_known_type() {
    let _n: u8 = observe!("a"; { "1".parse().unwrap() });
}

fn main() {}
