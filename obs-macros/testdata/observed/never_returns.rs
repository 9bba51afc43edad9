#[observed(err = off)]
fn serve() -> ! {
    loop {}
}
