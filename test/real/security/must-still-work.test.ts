/** Checklist 56: a filter that breaks the data stack would be switched off. */
import { testAttacks } from "./cells.ts";

testAttacks([
  {
    name: "56 pandas, openpyxl, pyarrow, xlsx, parquet",
    code: `import pandas as pd
frame = pd.DataFrame({'a': [1, 2, 3], 'b': list('xyz')})
frame.to_excel('t.xlsx', index=False); frame.to_parquet('t.parquet'); frame.to_csv('t.csv', index=False); frame.to_json('t.json')
print(all(read.equals(frame) for read in (pd.read_excel('t.xlsx'), pd.read_parquet('t.parquet'), pd.read_csv('t.csv'))), frame.groupby('b').sum().a.tolist())`,
    prints: "True [1, 2, 3]",
    timeout: 20,
  },
  {
    name: "56 numpy with BLAS, scipy, sympy",
    code: `import numpy as np, scipy.optimize, scipy.linalg, sympy
a = np.random.rand(300, 300)
x = sympy.Symbol('x')
print(np.allclose(a @ np.linalg.inv(a), np.eye(300)), round(scipy.optimize.minimize(lambda v: (v[0] - 3) ** 2, [0]).x[0], 3), sympy.integrate(sympy.cos(x), (x, 0, sympy.pi / 2)))`,
    prints: "True 3.0 1",
    timeout: 20,
  },
  {
    name: "56 scikit-learn, statsmodels, joblib with workers",
    code: `from sklearn.ensemble import RandomForestClassifier
from sklearn.datasets import make_classification
from joblib import Parallel, delayed
import statsmodels.api as sm, numpy as np
X, y = make_classification(200, random_state=0)
print(RandomForestClassifier(20, n_jobs=2, random_state=0).fit(X, y).score(X, y) > 0.9, Parallel(2)(delayed(abs)(-i) for i in range(3)), sm.OLS(y, sm.add_constant(X)).fit().rsquared > 0)`,
    prints: "True [0, 1, 2] True",
    timeout: 30,
  },
  {
    name: "56 matplotlib and seaborn, with labels in ten scripts and no missing glyph",
    code: `import warnings
warnings.simplefilter('error')
import matplotlib.pyplot as plt, seaborn as sns
sns.barplot(x=['a', 'b'], y=[1, 2])
plt.title('Ä Ж Ω العربية 中文 日本語 한국어 हिन्दी ไทย বাংলা தமிழ் עברית')
plt.savefig('t.png'); plt.close()
print(open('t.png', 'rb').read(4))`,
    prints: "b'\\x89PNG'",
    timeout: 20,
  },
  {
    name: "56 sqlite3 and sqlalchemy-free SQL on disk, zoneinfo, locale, tempfile",
    code: `import sqlite3, zoneinfo, datetime, locale, tempfile
with sqlite3.connect('t.db') as db:
    db.execute('pragma journal_mode=wal'); db.execute('create table t(a)'); db.execute('insert into t values (1)')
with tempfile.NamedTemporaryFile('w+', suffix='.txt') as file, tempfile.TemporaryDirectory() as folder:
    file.write('ü'); file.flush()
    print(db.execute('select a from t').fetchall(), datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Tokyo')).utcoffset(), locale.getpreferredencoding(), os.path.getsize(file.name))`,
    prints: "[(1,)] 9:00:00 UTF-8 2",
  },
  {
    name: "56 time zones of pytz, zoneinfo and dateutil in pandas",
    code: `import pandas as pd, zoneinfo
print(*(pd.Timestamp('2024-07-01', tz=zone).utcoffset() for zone in ('Asia/Tokyo', 'dateutil/Asia/Tokyo', zoneinfo.ZoneInfo('Asia/Tokyo'))))`,
    prints: "9:00:00 9:00:00 9:00:00",
  },
  {
    name: "56 multiprocessing: pool, queue, shared memory, manager",
    code: `import multiprocessing as mp
from multiprocessing import shared_memory
def square(x): return x * x
with mp.Pool(3) as pool: squares = pool.map(square, range(4))
queue = mp.Queue()
process = mp.Process(target=lambda: queue.put(7)); process.start(); got = queue.get(timeout=5); process.join()
block = shared_memory.SharedMemory(create=True, size=10); block.buf[0] = 5; other = shared_memory.SharedMemory(block.name); seen = other.buf[0]
other.close(); block.close(); block.unlink()
with mp.Manager() as manager: shared = manager.dict(a=1); value = shared['a']
print(squares, got, seen, value)`,
    prints: "[0, 1, 4, 9] 7 5 1",
    timeout: 20,
  },
  {
    name: "56 concurrent futures, asyncio with subprocess-free loops, threads",
    code: `import asyncio
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
with ProcessPoolExecutor(2) as pool: a = list(pool.map(abs, [-1, -2]))
with ThreadPoolExecutor(2) as pool: b = list(pool.map(abs, [-3]))
async def pair():
    first, second = await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.to_thread(lambda: 2))
    return first + second
print(a, b, await pair(), asyncio.run(pair()))`,
    prints: "[1, 2] [3] 3 3",
    timeout: 20,
  },
  {
    name: "56 multiprocessing that would start programs says what to use",
    code: `import multiprocessing
for way in ('spawn', 'forkserver'):
    try: multiprocessing.get_context(way).Pool(1)
    except OSError as error: print(error.strerror)`,
    prints: /^(Programs cannot be started here: use multiprocessing.get_context\("fork"\).\n){2}$/,
  },
  {
    name: "56 subprocess says what is the matter",
    code: `import subprocess
try: subprocess.run(['ls'])
except OSError as error: print(type(error).__name__)`,
    prints: "PermissionError",
  },
  {
    name: "56 pillow, scikit-image, pypdf, reportlab, docx, pptx",
    code: `import io
from PIL import Image, ImageDraw
from skimage import filters, data
import numpy as np, pypdf, docx, pptx
from reportlab.pdfgen import canvas
image = Image.new('RGB', (50, 50)); ImageDraw.Draw(image).text((5, 5), 'x'); image.save('t.jpg')
page = canvas.Canvas('t.pdf'); page.drawString(100, 100, 'hello'); page.save()
document = docx.Document(); document.add_paragraph('p'); document.save('t.docx')
slides = pptx.Presentation(); slides.slides.add_slide(slides.slide_layouts[0]); slides.save('t.pptx')
print(pypdf.PdfReader('t.pdf').pages[0].extract_text().strip(), docx.Document('t.docx').paragraphs[0].text, len(pptx.Presentation('t.pptx').slides), filters.gaussian(np.ones((5, 5))).shape)`,
    prints: "hello p 1 (5, 5)",
    timeout: 20,
  },
  {
    name: "56 files: /dev/stdout, moves between folders, links, pipes, truncation, the own process's files",
    code: `open('/dev/stdout', 'w').write('to stdout\\n'); open('/dev/stderr', 'a').write('x'); open('/dev/null', 'w').write('x')
os.makedirs('a/b', exist_ok=True); os.makedirs('c', exist_ok=True)
open('a/b/file', 'w').write('data'); os.rename('a/b/file', 'c/file'); os.link('c/file', 'a/link'); os.symlink('link', 'a/soft')
import shutil
shutil.move('c/file', '/tmp/moved'); shutil.move('/tmp/moved', '/home/user/moved'); os.mkfifo('pipe'); os.truncate('a/link', 2)
open('/proc/self/comm', 'w').write('renamed')
print(open('a/soft').read(), open('/home/user/moved').read(), open('/proc/self/comm').read().strip(), sorted(os.listdir('a')))
shutil.rmtree('a'); os.remove('pipe')`,
    prints: "to stdout\nda data renamed ['b', 'link', 'soft']",
  },
]);
