#[derive(Carrier)]
#[carrier(read_only, crate = my::runtime)]
struct Envelope<'a, C: Clone>(&'a C)
where
    C: Send;
