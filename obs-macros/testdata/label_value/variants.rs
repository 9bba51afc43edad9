#[label(rename_all = "kebab-case")]
enum Direction {
    NotFound,
    #[label(rename = "5xx")]
    Server,
}
