use obs_artifacts::grafana::{Dashboard, Panel, Unit, Variable};

/// The platform overview.
pub(super) fn overview() -> Dashboard {
    Dashboard::new("swarm-overview", "Platform overview")
        .row(
            "Requests",
            [
                Panel::lines("Request rate", Unit::RequestsPerSecond)
                    .describe("Requests a second by route, as the services that answer count them.")
                    .query("sum by (path) (rate(http_requests_total[$__rate_interval]))", "{{path}}"),
                Panel::lines("Request latency", Unit::Seconds)
                    .describe("The slowest request in a hundred, by route and method, and the median.")
                    .query("max by (method, path) (http_request_duration_seconds:p99)", "p99 {{method}} {{path}}")
                    .query("max by (method, path) (http_request_duration_seconds:p50)", "p50 {{method}} {{path}}"),
                Panel::heatmap("Latency of all requests", Unit::Seconds)
                    .describe("Each point is a request whose trace was kept: it leads to the trace, and from there to its log lines.")
                    .query("sum by (le) (rate(http_request_duration_seconds_bucket[$__rate_interval]))", "{{le}}"),
                Panel::lines("Error rate by endpoint", Unit::Share)
                    .describe("Share of requests that were answered with a 5xx. Over 5 % of all, HighErrorRate fires.")
                    .query(
                        "(\n  sum by (path) (rate(http_requests_total{status=~\"5..\"}[$__rate_interval]))\n  or\n  0 * sum by (path) \
                         (rate(http_requests_total[$__rate_interval]))\n)\n/\nsum by (path) (rate(http_requests_total[$__rate_interval]))",
                        "{{path}}",
                    ),
            ],
        )
        .row(
            "Agents and sessions",
            [
                Panel::lines("Active agents by status", Unit::Count)
                    .stacked()
                    .query("sum by (status) (agents_total)", "{{status}}"),
                Panel::lines("State transitions", Unit::PerSecond).query(
                    "sum by (from, to) (rate(agent_state_transitions_total[$__rate_interval]))",
                    "{{from}} → {{to}}",
                ),
                Panel::lines("Active sessions", Unit::Count).wide(8).query("sum(sessions_active)", "sessions"),
                Panel::lines("WebSocket connections", Unit::Count)
                    .wide(8)
                    .query("sum(websocket_connections_active)", "connections"),
                Panel::lines("WebSocket messages", Unit::PerSecond).wide(8).query(
                    "sum by (direction) (rate(websocket_messages_total[$__rate_interval]))",
                    "{{direction}}",
                ),
            ],
        )
        .row("Logs", [Panel::logs("Warnings and errors").query(r#"{stream="platform", level=~"warn|error"}"#, "")])
}

/// One agent.
pub(super) fn agent() -> Dashboard {
    Dashboard::new("swarm-agent", "Agent")
        .variable(Variable::values_of("agent_id", "agent_status").named("agent"))
        .row(
            "State",
            [Panel::states("Status timeline")
                .describe("The band of the state that the agent is in is coloured.")
                .query(r#"max by (agent_id, status) (agent_status{agent_id=~"$agent"})"#, "{{agent_id}} {{status}}")],
        )
        .row(
            "Usage",
            [
                Panel::lines("CPU", Unit::Percent)
                    .describe("Of one core.")
                    .query(r#"agent_cpu_usage_percent{agent_id=~"$agent"}"#, "{{agent_id}}"),
                Panel::lines("Memory", Unit::Bytes)
                    .query(r#"agent_memory_usage_bytes{agent_id=~"$agent"}"#, "{{agent_id}}"),
                Panel::lines("Model token usage", Unit::PerSecond).stacked().query(
                    r#"sum by (direction) (rate(agent_model_tokens_total{agent_id=~"$agent"}[$__rate_interval]))"#,
                    "{{direction}}",
                ),
                Panel::lines("Uptime", Unit::Seconds)
                    .query(r#"agent_uptime_seconds{agent_id=~"$agent"}"#, "{{agent_id}}"),
            ],
        )
        .row(
            "Work",
            [
                Panel::bars("Session history", Unit::Count).describe("Sessions that began, hour by hour.").query(
                    r#"sum by (agent_id) (increase(agent_sessions_total{agent_id=~"$agent"}[1h]))"#,
                    "{{agent_id}}",
                ),
                Panel::stat("Sessions", Unit::Count)
                    .query(r#"sum(agent_sessions_total{agent_id=~"$agent"})"#, "sessions"),
                Panel::stat("Error count", Unit::Count)
                    .describe("How often the agent failed.")
                    .query(r#"sum(agent_errors_total{agent_id=~"$agent"})"#, "errors"),
            ],
        )
        .row("Logs", [Panel::logs("What the agent wrote").query(r#"{stream="agent"} | agent_id=~"$agent""#, "")])
}

/// One user.
pub(super) fn user() -> Dashboard {
    Dashboard::new("swarm-user", "User")
        .variable(Variable::values_of("user_id", "user_agents_count").named("user"))
        .row(
            "Now",
            [
                Panel::stat("Agents", Unit::Count).wide(12).query(r#"sum(user_agents_count{user_id=~"$user"})"#, "agents"),
                Panel::stat("Active sessions", Unit::Count)
                    .wide(12)
                    .query(r#"sum(user_sessions_active{user_id=~"$user"})"#, "sessions"),
            ],
        )
        .row(
            "Over time",
            [
                Panel::lines("Agents count", Unit::Count)
                    .query(r#"sum by (user_id) (user_agents_count{user_id=~"$user"})"#, "{{user_id}}"),
                Panel::lines("Sessions", Unit::Count)
                    .query(r#"sum by (user_id) (user_sessions_active{user_id=~"$user"})"#, "{{user_id}}"),
                Panel::lines("API usage", Unit::RequestsPerSecond).stacked().query(
                    r#"sum by (user_id, outcome) (rate(user_api_requests_total{user_id=~"$user"}[$__rate_interval]))"#,
                    "{{user_id}} {{outcome}}",
                ),
                Panel::lines("Error rate", Unit::Share)
                    .describe("Share of the user's requests in which the platform failed.")
                    .query(
                        "(\n  sum by (user_id) (rate(user_api_requests_total{user_id=~\"$user\", outcome=\"error\"}[$__rate_interval]))\n  \
                         or\n  0 * sum by (user_id) (rate(user_api_requests_total{user_id=~\"$user\"}[$__rate_interval]))\n)\n/\n\
                         sum by (user_id) (rate(user_api_requests_total{user_id=~\"$user\"}[$__rate_interval]))",
                        "{{user_id}}",
                    ),
            ],
        )
        .row("Logs", [Panel::logs("What happened for the user").query(r#"{stream="platform"} | user_id=~"$user""#, "")])
}
