use obs_runtime::observed;

#[observed(agent_id =)]
fn no_value(agent_id: &str) {}

#[observed(sum = a +, b)]
fn half_an_expression(a: u8, b: u8) {}

#[observed(sum = a +)]
fn half_an_expression_at_the_end(a: u8) {}

#[observed(level =)]
fn no_level() {}

#[observed(a b)]
fn no_comma(a: u8, b: u8) {}

#[observed("agent.create")]
fn string_alone() {}

#[observed(7)]
fn number_alone() {}

#[observed(, a)]
fn comma_first(a: u8) {}

fn main() {}
