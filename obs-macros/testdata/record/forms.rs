record!(obs_runtime; agent_id, %status, bytes = body.len(), ?last = self.last, reason = %error);
