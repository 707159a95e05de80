package policy

import "regexp"

// cronTime ends the name of a Job that a CronJob has made: the minute for which it was due.
var cronTime = regexp.MustCompile(`^(.+)-\d{8,10}$`)

// CronJobOf returns the name of the CronJob that has made a Job of this name, as far as the name tells.
func CronJobOf(job string) (name string, is bool) {
	parts := cronTime.FindStringSubmatch(job)
	if parts == nil {
		return "", false
	}
	return parts[1], true
}
