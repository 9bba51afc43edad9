use obs_runtime::observed;

#[observed(usr_id)]
fn misspelt(user_id: &str) {}

#[observed(colour)]
fn unknown(user_id: &str) {}

#[observed(user_id, user_id)]
fn twice(user_id: &str) {}

#[observed(user_id, late(user_id))]
fn twice_in_another_way(user_id: &str) {}

#[observed(N)]
fn generic<const N: usize>() {}

#[observed(http.method = method)]
fn dotted(method: &str) {}

#[observed(request.id)]
fn a_part(request: Request) {}

#[observed(error, late(outcome))]
fn of_the_runtime(error: &str) {}

impl Request {
    #[observed(self)]
    fn everything(&self) {}
}

#[observed(?user_id = %user_id)]
fn two_sigils(user_id: &str) {}

#[observed(usr_id, agnt_id, colour = )]
fn several_at_once(user_id: &str, agent_id: &str) {}

struct Request;

fn main() {}
