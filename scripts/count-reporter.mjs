// A vitest reporter that says why tests were skipped and ends with "N passed, N failed, N skipped".
export default class CountReporter {
  onTestRunEnd(modules) {
    const failedChecks = Number(process.env.SIGNPOST_FAILED_CHECKS ?? 0)
    const count = {
      passed: Number(process.env.SIGNPOST_CHECKS ?? 0) - failedChecks,
      failed: failedChecks,
      skipped: 0,
    }
    for (const module of modules) {
      if (module.state() === 'failed' && module.children.size === 0) count.failed++
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') count.passed++
        else if (state === 'failed') count.failed++
        else count.skipped++
      }
    }
    process.on('exit', () =>
      process.stdout.write(
        `\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`,
      ),
    )
  }
}
