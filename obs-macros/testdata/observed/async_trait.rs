#[observed(user_id)]
fn get<'life0, 'async_trait>(&'life0 self, user_id: u8) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = u8> + ::core::marker::Send + 'async_trait>>
where
    'life0: 'async_trait,
{
    Box::pin(async move {
        let __self = self;
        let user_id = user_id;
        user_id
    })
}
