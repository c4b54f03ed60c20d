// What the page of runs says, in English and Chinese.

const WORDS = {
  en: {
    title: "Training", other: "中文", runs: "Runs", curves: "Loss and accuracy",
    curvesHint: "One line per run: the mean of a few steps, the band from their lowest to their highest.", dashed: "Dashed: on the validation part.",
    parameters: "Gradients and updates",
    parametersHint: "How large each parameter's gradient is, and how far one step moves the parameter compared with its size: ‖update‖ / ‖weight‖. About 0.001 is healthy; far more is too fast a learning rate, far less too slow.",
    gradient: "gradient norm", ratio: "update : weight", weight: "weight norm", guide: "0.001: healthy",
    images: "Weights", imagesHint: "Red cells are positive, blue ones negative, white is zero.", broken: "not finite",
    circuit: "The circuit", circuitHint: "The loss of this very run: step through it with the arrow keys, click a gate to see its chain rule; Ctrl and the wheel zoom.",
    follow: "follow the newest", atStep: (step) => `at step ${step}`, step: "step", of: "of", tiles: (shown, all) => `the first ${shown} of ${all}`,
    log: "log scale", running: "running", finished: "finished", stopped: "stopped", failed: "failed", silent: (time) => `no news for ${time}`,
    nothing: "Nothing is recorded yet: the page fills as soon as the training reports its first step.",
    lost: "The program that serves this page has ended; what it sent is still here.", complaint: "This cannot be read:",
    notFinite: (broken, count) => (count === 1 ? "not finite" : `${broken} of ${count} not finite`), range: (low, high) => `${low} to ${high}`,
    verdict: { fast: "updates too large", healthy: "updates healthy", slow: "updates small", none: "" }, isBroken: (name) => `${name} is not finite`,
    hide: "Click: show or hide its lines", details: "show weights and circuit of", seconds: "s", minutes: "min", hours: "h", days: "d",
    names: {},
  },
  zh: {
    title: "训练", other: "English", runs: "运行", curves: "损失与准确率",
    curvesHint: "每次运行一条线：相邻几步的平均值，色带从其最低到最高。", dashed: "虚线：验证集上的结果。",
    parameters: "梯度与更新",
    parametersHint: "每个参数的梯度有多大，以及一步更新相对于参数大小移动了多远：‖更新‖ / ‖权重‖。约 0.001 为健康；大得多说明学习率太大，小得多说明太小。",
    gradient: "梯度范数", ratio: "更新 : 权重", weight: "权重范数", guide: "0.001：健康",
    images: "权重", imagesHint: "红色为正，蓝色为负，白色为零。", broken: "非有限",
    circuit: "电路", circuitHint: "正是这次运行的损失：用方向键逐步走过，点击一个门查看它的链式法则；按住 Ctrl 滚动滚轮可缩放。",
    follow: "跟随最新", atStep: (step) => `第 ${step} 步`, step: "步", of: "/", tiles: (shown, all) => `前 ${shown} 个，共 ${all} 个`,
    log: "对数刻度", running: "运行中", finished: "已完成", stopped: "已停止", failed: "失败", silent: (time) => `${time}没有消息`,
    nothing: "还没有记录：训练报告第一步后，页面就会填满。",
    lost: "提供此页面的程序已结束；它发送的内容仍在这里。", complaint: "无法读取：",
    notFinite: (broken, count) => (count === 1 ? "非有限" : `${count} 个中有 ${broken} 个非有限`), range: (low, high) => `${low} 到 ${high}`,
    verdict: { fast: "更新过大", healthy: "更新健康", slow: "更新偏小", none: "" }, isBroken: (name) => `${name}不是有限数`,
    hide: "点击：显示或隐藏它的线", details: "显示其权重和电路：", seconds: " 秒", minutes: " 分钟", hours: " 小时", days: " 天",
    names: { loss: "损失", accuracy: "准确率", validation: "验证", training: "训练", test: "测试" },
  },
};

/** The words of a language; English where there is none of that name. */
export const wordsOf = (language) => WORDS[language] ?? WORDS.en;

/** A metric's name for a reader: underscores are spaces, and what is known is translated. */
export const spoken = (words, name) => name.split(/[_ ]+/).map((part) => words.names[part] ?? part).join(" ");

/** A number in three digits: 0.0123, 1.2e-5, "nan". */
export const figures = (number) => {
  if (typeof number !== "number") return String(number ?? "nan");
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size >= 1e5 || size < 1e-3) return number.toExponential(1).replace("e+", "e").replace(".0e", "e");
  return String(+number.toPrecision(3));
};
