#[observed(ret = "debug", slow = "1.5s", audit, parent = span, links = &contexts)]
fn end(span: &Span, contexts: Vec<Correlation>) -> Result<u8, Error> {
    work()
}
