use obs_runtime::observed;

struct Opaque;

#[observed(ret)]
fn cannot_be_shown() -> Opaque {
    Opaque
}

#[observed(ret)]
fn nothing() {}

#[observed(ret)]
fn never() -> ! {
    panic!()
}

#[observed(ret = "loud", ret)]
fn no_level() -> u8 {
    1
}

#[observed(ret(Display))]
fn no_form() -> u8 {
    1
}

#[observed(ret())]
fn empty_form() -> u8 {
    1
}

#[observed(ret(Debug))]
fn no_debug() -> Opaque {
    Opaque
}

fn main() {}
