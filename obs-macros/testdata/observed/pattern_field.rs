#[observed(x, z)]
fn get(Point { ref x, mut y }: Point, &z: &u8) {}
