use obs_runtime::observed;

struct Opaque;

#[observed(opaque)]
fn by_name(opaque: Opaque) {}

#[observed(?opaque)]
fn by_debug(opaque: Opaque) {}

#[observed(first = %opaque.0)]
fn by_display(opaque: (Opaque,)) {}

#[observed(opaque)]
async fn in_an_async_fn(opaque: Option<Opaque>) {}

#[observed(err(Debug))]
fn an_error_without_debug() -> Result<(), Opaque> {
    Ok(())
}

fn main() {}
