use obs_runtime::observe;

fn no_name(agent_id: u8) {
    observe!(agent_id; {});
}

fn empty_name() {
    observe!(""; {});
}

fn nothing() {
    observe!();
}

fn no_semicolon() {
    observe!("a" {});
}

fn no_block() {
    observe!("a");
}

fn an_expression() {
    observe!("a"; 1 + 1);
}

fn behind_the_block() {
    observe!("a"; {}.len());
}

fn no_comma(agent_id: u8) {
    observe!("a" agent_id; {});
}

fn main() {}
