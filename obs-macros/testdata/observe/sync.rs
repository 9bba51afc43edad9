observe!(::obs_runtime; "place", user_id, level = "debug", late(node); { place(user_id)? });
