use obs_runtime::observed;

#[observed(levl = "debug")]
fn misspelt() {}

#[observed(metric = off)]
fn misspelt_off() {}

#[observed(lat(status))]
fn misspelt_list() {}

#[observed(level = "debug", level = "info")]
fn twice() {}

#[observed(level = "verbose")]
fn no_such_level() {}

#[observed(level = "Warn")]
fn capital_level() {}

#[observed(level = debug)]
fn level_without_quotes() {}

#[observed(kind = "srver")]
fn no_such_kind() {}

#[observed(name = "")]
fn empty_name() {}

#[observed(name = 7)]
fn number_for_a_name() {}

#[observed(name)]
fn name_alone(name: &str) {}

#[observed(metrics = "off")]
fn quoted_off() {}

#[observed(err = "off")]
fn quoted_err_off() {}

#[observed(err(Display))]
fn other_form() {}

#[observed(err())]
fn no_form() {}

#[observed(skip_all, fields(user_id))]
fn habits_from_tracing(user_id: &str) {}

#[observed(crate = "obs_runtime")]
fn quoted_path() {}

fn main() {}
