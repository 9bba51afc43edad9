#[derive(Carrier)]
struct PodTemplate {
    image: String,
    #[carrier]
    annotations: BTreeMap<String, String>,
}
