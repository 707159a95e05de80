package agent

// DropsPath is the path of what the node has denied lately: a drops.Drop in JSON a line, the oldest
// first. With ?follow=1 those that come later follow.
const DropsPath = "/v1/drops"
