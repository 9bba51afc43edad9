#[observed(user_id, ?request, region = %request.region, agent_id)]
/// Creates an agent.
pub fn create(&self, mut user_id: UserId, request: Request, (a, _): (u8, u8), _: u8) -> Result<impl Display, Error> {
    record!(agent_id = 1);
    Ok(1)
}
