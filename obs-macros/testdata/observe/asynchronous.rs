observe!(::obs_runtime; "fetch", root, ret; async move { fetch(url).await });
